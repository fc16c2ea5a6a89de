// tp, the command line: one file per subcommand beside this one.
#include <CLI/CLI.hpp>

#include "tp/bench.hpp"
#include "tp/connection.hpp"
#include "tp/decode.hpp"
#include "tp/driver.hpp"
#include "tp/inspect.hpp"
#include "tp/output.hpp"
#include "tp/publish.hpp"
#include "tp/signals.hpp"
#include "tp/subscribers.hpp"
#include "tp/watch.hpp"

int main(int argc, char** argv) {
  using namespace tensorpool::cli;
  catch_signals();
  CLI::App app{"tensorpool: pixels stay in shared memory, descriptors travel", "tp"};
  int exit_code = exit_ok;
  // Zero is refused below: CLI11 would say so even where the name of a subcommand is misspelt.
  app.require_subcommand(0, 1);
  register_publish(app, exit_code);
  register_watch(app, exit_code);
  register_inspect(app, exit_code);
  register_decode(app, exit_code);
  register_driver(app, exit_code);
  register_subscribers(app, exit_code);
  register_bench(app, exit_code);
  app.footer(std::string("Two shells:\n"
                         "  tp publish --input photos/ --loop --rate 200\n"
                         "  tp watch --expect photos/ --count 2000\n\n") +
             exit_codes_text + " Every subcommand has --help and --json.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = not_run(app, error);
    if (code != 0 && app.get_subcommands().empty())
      print_error(
          "the subcommands are publish, watch, inspect, decode, driver, subscribers and bench; tp "
          "--help "
          "shows more");
    return code;
  } catch (const std::exception& error) {  // no memory, for what a file asks for
    print_error(error.what());
    return exit_failed;
  }
  if (app.get_subcommands().empty()) {
    print_error("a subcommand is required; tp --help lists them");
    return exit_usage;
  }
  return exit_code;
}
