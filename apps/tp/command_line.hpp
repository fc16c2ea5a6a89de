// The command line of a program: what it takes, its help, and what is wrong with what was given. CLI11 reads it; only
// command_line.cpp includes its headers, which cost seconds in every file that does.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): its name
class App;
class Option;
}  // namespace CLI

namespace tensorpool::cli {

// What the text of a value has to be.
struct Check {
  // In the help, behind the type of the value.
  std::string shown;
  // What is wrong with it; empty: nothing.
  std::function<std::string(const std::string& text)> fault;
};
// For numbers: unlike CLI11's own ranges it does not let "nan" pass.
Check between(double least, double most);
// For counts and ids, in decimal digits: CLI11 takes "" for 0 and a number that is too large for some
// other one.
Check whole_number(std::uint64_t least, std::uint64_t most);
Check one_of(std::initializer_list<const char*> texts);
Check absolute_path();

template <class T, class... Ts>
concept AnyOf = (std::same_as<T, Ts> || ...);
// What an option can set; a list takes several values, and can be given several times.
template <class T>
concept OptionValue =
    AnyOf<T, std::string, double, std::int32_t, std::uint32_t, std::uint64_t,
          std::optional<std::string>, std::optional<double>, std::optional<std::int32_t>,
          std::optional<std::uint32_t>, std::vector<std::string>, std::vector<std::uint32_t>>;

// A handle on an option or flag of a command: valid as long as its program.
class Option {
 public:
  explicit Option(CLI::Option& option) noexcept : option_(&option) {}

  // The help shows the value that the variable has now.
  Option show_default();
  // Of a list: of every value.
  Option check(Check check);
  // The heading under which the help shows it.
  Option group(const char* heading);
  Option required();
  Option excludes(Option other);
  // Of a list: what stands between the values of one text.
  Option delimiter(char between);
  // Of a list: further values need the option again, so that what follows it is something else.
  Option one_at_a_time();

 private:
  CLI::Option* option_;
};

// A handle on a command, or on the program itself: valid as long as its program.
class Command {
 public:
  // Another word on the command line, with options of its own.
  Command command(const char* name, const char* help);
  // `names` are "--name", several with commas, or without dashes the name of a value by its place. `value` is set
  // while the command line is read, and stays as it is where the option is not given. It must outlive that.
  template <OptionValue T>
  Option option(const char* names, T& value, const char* help);
  Option flag(const char* names, bool& value, const char* help);
  // What the help ends with.
  void footer(const std::string& text);
  // The help of what is above does not show it.
  void hide();
  // What it does, once all is read; the exit code.
  void runs(std::function<int()> work);
  // It takes one command, and `missing` is said where there is none. REQUIRES: refuse_with() of the program, before.
  void needs_command(const char* missing);

  // After the command line was read. REQUIRES: it has an option of this name.
  bool given(const char* option) const;

 protected:
  struct State;
  Command(State& state, CLI::App& app) noexcept : state_(&state), app_(&app) {}

  State* state_;
  CLI::App* app_;
};

// The whole of it. One thread.
class Program : public Command {
 public:
  // `name` stands in the help.
  Program(const char* about, const char* name);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Who is told what is wrong with a command line, and the exit code of one. Without this, CLI11's.
  void refuse_with(std::function<void(std::string_view)> complain, int exit_code);
  // Said after what is wrong with a command line that names no command.
  void hint(const char* text);
  // --version prints this.
  void version(const char* text);

  // Reads the command line and runs the command that it names. The exit code, also of one that was not run: help was
  // asked for and printed, or it is wrong and that was said. Nothing: all is read, and there was nothing to run.
  std::optional<int> read(int argc, const char* const* argv);
  // The same without the program's name.
  std::optional<int> read(std::vector<std::string> arguments);

 private:
  explicit Program(std::unique_ptr<State> state);
  std::unique_ptr<State> owned_;
};

}  // namespace tensorpool::cli
