// tp, the command line: one file per subcommand beside this one.
#include <exception>
#include <string>

#include "tp/bench.hpp"
#include "tp/command_line.hpp"
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
  Program app("tensorpool: pixels stay in shared memory, descriptors travel", "tp");
  app.refuse_with(print_error, exit_usage);
  app.hint(
      "the subcommands are publish, watch, inspect, decode, driver, subscribers and bench; "
      "tp --help shows more");
  app.needs_command("a subcommand is required; tp --help lists them");
  register_publish(app);
  register_watch(app);
  register_inspect(app);
  register_decode(app);
  register_driver(app);
  register_subscribers(app);
  register_bench(app);
  app.footer(std::string("Two shells:\n"
                         "  tp publish --input photos/ --loop --rate 200\n"
                         "  tp watch --expect photos/ --count 2000\n\n") +
             exit_codes_text + " Every subcommand has --help and --json.");
  try {
    return app.read(argc, argv).value_or(exit_ok);
  } catch (const std::exception& error) {  // no memory, for what a file asks for
    print_error(error.what());
    return exit_failed;
  }
}
