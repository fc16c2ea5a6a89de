#include "tp/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>
#include <utility>

namespace tensorpool::cli {

Check between(double least, double most) {
  return {fmt::format("{} to {}", least, most), [least, most](const std::string& text) {
            double value = 0;
            if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most)
              return std::string();
            return fmt::format("'{}' is no number from {} to {}", text, least, most);
          }};
}

Check whole_number(std::uint64_t least, std::uint64_t most) {
  return {fmt::format("{} to {}", least, most), [least, most](const std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto [stopped, error] = std::from_chars(text.data(), end, value);
            // A leading 0 would mean octal to CLI11.
            const bool plain = text.size() == 1 || !text.starts_with('0');
            if (error == std::errc() && stopped == end && plain && value >= least && value <= most)
              return std::string();
            return fmt::format("'{}' is no whole number from {} to {}", text, least, most);
          }};
}

Check one_of(std::initializer_list<const char*> texts) {
  std::vector<std::string> all(texts.begin(), texts.end());
  std::string shown = "{" + CLI::detail::join(all) + "}";
  return {shown, [all = std::move(all), shown](const std::string& text) {
            return std::ranges::find(all, text) != all.end() ? std::string()
                                                             : text + " not in " + shown;
          }};
}

Check absolute_path() {
  return {"absolute path", [](const std::string& text) {
            if (text.starts_with('/')) return std::string();
            return fmt::format("'{}' is no absolute path", text);
          }};
}

Option Option::show_default() {
  option_->capture_default_str();
  return *this;
}

Option Option::check(Check check) {
  option_->check(std::move(check.fault), std::move(check.shown));
  return *this;
}

Option Option::group(const char* heading) {
  option_->group(heading);
  return *this;
}

Option Option::required() {
  option_->required();
  return *this;
}

Option Option::excludes(Option other) {
  option_->excludes(other.option_);
  return *this;
}

Option Option::delimiter(char between) {
  option_->delimiter(between);
  return *this;
}

Option Option::one_at_a_time() {
  option_->allow_extra_args(false);
  return *this;
}

struct Command::State {
  State(const char* about, const char* name) : app(about, name) {}

  CLI::App app;
  std::optional<int> exit_code;
  std::function<void(std::string_view)> complain;
  int refused = 0;
  const char* hint = nullptr;

  // The exit code of a command line that was not run.
  int not_run(const CLI::ParseError& error) const {
    if (error.get_exit_code() == 0 || !complain) return app.exit(error);  // prints help or version
    complain(error.what());
    if (hint != nullptr && app.get_subcommands().empty()) complain(hint);
    return refused;
  }
};

Command Command::command(const char* name, const char* help) {
  return {*state_, *app_->add_subcommand(name, help)};
}

template <OptionValue T>
Option Command::option(const char* names, T& value, const char* help) {
  return Option(*app_->add_option(names, value, help));
}
template Option Command::option(const char*, std::string&, const char*);
template Option Command::option(const char*, double&, const char*);
template Option Command::option(const char*, std::int32_t&, const char*);
template Option Command::option(const char*, std::uint32_t&, const char*);
template Option Command::option(const char*, std::uint64_t&, const char*);
template Option Command::option(const char*, std::optional<std::string>&, const char*);
template Option Command::option(const char*, std::optional<double>&, const char*);
template Option Command::option(const char*, std::optional<std::int32_t>&, const char*);
template Option Command::option(const char*, std::optional<std::uint32_t>&, const char*);
template Option Command::option(const char*, std::vector<std::string>&, const char*);
template Option Command::option(const char*, std::vector<std::uint32_t>&, const char*);

Option Command::flag(const char* names, bool& value, const char* help) {
  return Option(*app_->add_flag(names, value, help));
}

void Command::footer(const std::string& text) { app_->footer(text); }

void Command::hide() { app_->group(""); }

void Command::runs(std::function<int()> work) {
  app_->callback([state = state_, work = std::move(work)] { state->exit_code = work(); });
}

void Command::needs_command(const char* missing) {
  // CLI11 is not told that one is needed: it would say so even where its name is misspelt.
  app_->require_subcommand(0, 1);
  app_->callback([state = state_, app = app_, missing] {
    if (!app->get_subcommands().empty()) return;
    state->complain(missing);
    state->exit_code = state->refused;
  });
}

bool Command::given(const char* option) const { return app_->count(option) > 0; }

Program::Program(const char* about, const char* name)
    : Program(std::make_unique<State>(about, name)) {}

Program::Program(std::unique_ptr<State> state)
    : Command(*state, state->app), owned_(std::move(state)) {}

Program::~Program() = default;

void Program::refuse_with(std::function<void(std::string_view)> complain, int exit_code) {
  state_->complain = std::move(complain);
  state_->refused = exit_code;
}

void Program::hint(const char* text) { state_->hint = text; }

void Program::version(const char* text) {
  state_->app.set_version_flag("--version", std::string(text));
}

std::optional<int> Program::read(int argc, const char* const* argv) {
  const std::span<const char* const> words(argv, argc > 0 ? static_cast<std::size_t>(argc) : 0);
  const auto arguments = words.subspan(words.empty() ? 0 : 1);
  return read(std::vector<std::string>(arguments.begin(), arguments.end()));
}

std::optional<int> Program::read(std::vector<std::string> arguments) {
  state_->exit_code.reset();
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  try {
    state_->app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    state_->exit_code = state_->not_run(error);
  }
  return state_->exit_code;
}

}  // namespace tensorpool::cli
