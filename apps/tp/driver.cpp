#include "tp/driver.hpp"

#include <fmt/format.h>

#include <memory>

#include "tp/driver_commands.hpp"
#include "tp/output.hpp"

namespace tensorpool::cli {
namespace {

constexpr double most_seconds = 86'400;

void add_seconds(Command& app, double& seconds) {
  app.option("--seconds", seconds, "how long to listen")
      .show_default()
      .check(between(0.1, most_seconds));
}

void register_status(Command& root) {
  auto options = std::make_shared<DriverStatusOptions>();
  Command app = root.command("status", "State, leases, refusals, epochs and memory of drivers");
  add_place_options(app, options->place);
  app.option("--instance", options->instance, "only the driver of this driver.instance_id");
  app.flag("--listen", options->listens, "listen to its streams as well");
  add_seconds(app, options->seconds);
  app.flag("--json", options->json, "one JSON object per driver");
  app.footer(
      "From the counters that a driver keeps in its media driver: nothing is asked of it. Where "
      "there are none, "
      "the\nstreams are listened to for --seconds: a driver of another implementation is known by "
      "its "
      "messages.\n\n"
      "Exit codes: 0 a driver is there, 1 none is, or something failed, 2 wrong command line.");
  app.runs([options] { return driver_status(*options); });
}

void register_streams(Command& root) {
  auto options = std::make_shared<DriverStreamsOptions>();
  Command app =
      root.command("streams", "The streams that are announced, and what is wrong with them");
  add_place_options(app, options->place);
  app.option("--seconds", options->seconds, "how long to listen (default 3; with --watch for ever)")
      .check(between(0.1, most_seconds));
  app.flag("--watch", options->watch, "a line for every change, until Ctrl-C");
  app.flag("--verbose", options->verbose, "with the regions' URIs");
  app.flag("--json", options->json, "one JSON object per stream");
  app.footer(
      "Streams of drivers of every implementation, and of producers in direct mode on the same "
      "announce "
      "stream.\nFiles are looked for and not opened: tp inspect looks into them.\n\n"
      "Exit codes: 0 a stream is announced, 1 none is, or something failed, 2 wrong command line.");
  app.runs([options] { return driver_streams(*options); });
}

void register_leases(Command& root) {
  auto options = std::make_shared<DriverLeasesOptions>();
  Command app =
      root.command("leases", "Leases, by what their holders and the driver say meanwhile");
  add_place_options(app, options->place);
  add_seconds(app, options->seconds);
  app.flag("--json", options->json, "one JSON object per lease, and a summary");
  app.footer(
      "No message lists leases. What is heard on the control stream is shown: keepalives, attaches "
      "and "
      "ends; a lease\nthat says nothing meanwhile is only in the driver's count. --seconds is to "
      "be "
      "longer than the keepalive interval.\n\n"
      "Exit codes: 0 a driver or a client was heard, 1 nobody was, or something failed, 2 wrong "
      "command "
      "line.");
  app.runs([options] { return driver_leases(*options); });
}

void register_shutdown(Command& root) {
  auto options = std::make_shared<DriverShutdownOptions>();
  Command app = root.command("shutdown", "Ask a driver to drain and end");
  add_place_options(app, options->place);
  const Option token =
      app.option("--token", options->token,
                 "its policies.shutdown_token; every user of this machine can read command "
                 "lines (ps), so better:");
  app.option(
         "--token-file", options->token_file,
         "a file that holds the token; without both: POLICIES_SHUTDOWN_TOKEN of the environment")
      .excludes(token);
  app.option("--reason", options->reason, "the reason that its clients are told")
      .show_default()
      .check(one_of({"normal", "admin", "error"}));
  app.option("--text", options->text, "words for its clients and its log");
  app.option("--timeout", options->timeout_s,
             "seconds to wait for its end, which it announces to all; 0: not at all")
      .show_default()
      .check(between(0, most_seconds));
  app.flag("--json", options->json, "one JSON object");
  app.footer(
      "The request has no reply. A driver with another token, or without one, ignores it; this one "
      "hears its "
      "end, and\nwhere it has counters that it drains or ignored the request.\n\n"
      "Exit codes: 0 it has ended (with --timeout 0: was asked), 1 it has not, or something "
      "failed, 2 "
      "wrong command line.");
  app.runs([options] { return driver_shutdown(*options); });
}

}  // namespace

Command register_driver(Command& root) {
  Command app = root.command("driver", "See what a driver does, and end one");
  app.needs_command(
      "a subcommand is required: status, streams, leases or shutdown; tp driver --help");
  register_status(app);
  register_streams(app);
  register_leases(app);
  register_shutdown(app);
  return app;
}

}  // namespace tensorpool::cli
