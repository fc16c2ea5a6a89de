// tp_demo: frames from one process to others, with a live table. A media driver, a driver, a producer and two
// consumers, and a second stream of four slots whose consumer is slow on purpose, each in a process of its own.
// Exits with 0 only if all that it promises was seen to happen.
#include <fmt/format.h>

#include <exception>
#include <string>
#include <vector>

#include "demo/demo.hpp"
#include "tp/command_line.hpp"
#include "tp/media_driver.hpp"
#include "tp/output.hpp"
#include "tp/publish.hpp"
#include "tp/signals.hpp"
#include "tp/sources/source.hpp"
#include "tp/watch.hpp"

namespace tensorpool::demo {

namespace {

constexpr const char* about =
    "Exit code 0 only if frames were delivered, every one of them proved and\n"
    "equal to its source, overwrites were caught on the small stream, everybody got over\n"
    "every kill, and all books of those that were not killed balance.\n\n"
    "--kill is SIGKILL in the middle of the run, and a new process of the same kind. Given\n"
    "several times, they come one after the other. The run is as long as it takes to see\n"
    "that frames flow again, a minute at most.\n\n"
    "Examples:\n  ./run demo --seconds 5\n"
    "  ./run demo --kill driver\n"
    "  ./run demo --input photos/ --json\n\n";

struct CommandLine {
  DemoOptions options;
  std::vector<std::string> kills;
};

void add_options(cli::Command& app, CommandLine& line) {
  app.option("--seconds", line.options.seconds, "how long")
      .show_default()
      .check(cli::between(2, 86400));
  app.option("--input", line.options.input, "source of the main stream, as in tp publish")
      .show_default();
  app.option("--kill", line.kills, "producer, consumer, driver or media-driver")
      .one_at_a_time()
      .check(cli::one_of({"producer", "consumer", "driver", "media-driver"}));
  app.flag("--json", line.options.json, "one JSON object a line; the last is the summary");
  app.footer(std::string(about) + cli::exit_codes_text);
}

// Once and here, rather than by every child for itself; what is wrong is printed.
int look_at_input(Input& input) {
  const auto source = sources::open_source(input.source);
  if (!source) {
    cli::print_error("--input: " + source.error().message());
    return source.error().code() == Code::invalid_argument ? cli::exit_usage : cli::exit_failed;
  }
  if ((*source)->size() == 0) {
    cli::print_error("--input: consumers compare with the source, so it cannot be a pipe");
    return cli::exit_usage;
  }
  const auto stride = sources::stride_for(**source);
  if (!stride) {
    cli::print_error("--input: " + stride.error().message());
    return cli::exit_usage;
  }
  input.stride_bytes = *stride;
  return cli::exit_ok;
}

int run(const DemoOptions& options) {
  Input input{options.input};
  if (const int code = look_at_input(input); code != cli::exit_ok) return code;
  const Folder folder;
  if (folder.path().empty()) {
    cli::print_error("cannot make a folder below /dev/shm");
    return cli::exit_failed;
  }
  Demo demo(options, folder);
  if (auto started = demo.start(input); !started) return cli::failed(started.error());
  demo.play();
  return demo.finish();
}

}  // namespace

}  // namespace tensorpool::demo

int main(int argc, char** argv) {
  using namespace tensorpool;
  cli::catch_signals();
  cli::Program app("Frames from one process to others through shared memory", "demo");
  app.refuse_with(cli::print_error, cli::exit_usage);
  demo::CommandLine line;
  demo::add_options(app, line);
  // What the children are; hidden, since `tp` is the door to them.
  for (cli::Command hidden :
       {cli::register_publish(app), cli::register_watch(app), cli::register_media_driver(app)})
    hidden.hide();
  try {
    if (const auto exit_code = app.read(argc, argv)) return *exit_code;
  } catch (const std::exception& error) {
    cli::print_error(error.what());
    return cli::exit_failed;
  }
  for (const std::string& kill : line.kills)
    line.options.kills.push_back(*demo::role_to_kill(kill));
  return demo::run(line.options);
}
