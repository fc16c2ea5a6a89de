// tp_driver, the authoritative driver as a program. docs/guide/driver.md tells how it is used.
#include <optional>
#include <string>
#include <utility>

#include "driver/configuration.hpp"
#include "driver/setup.hpp"
#include "tp/command_line.hpp"
#include "tp_driver/exit_codes.hpp"
#include "tp_driver/log.hpp"
#include "tp_driver/notify.hpp"
#include "tp_driver/output.hpp"
#include "tp_driver/run.hpp"
#include "tp_driver/signals.hpp"

namespace tensorpool::driver_program {
namespace {

struct CommandLine {
  std::optional<std::string> file;
  bool check = false;
  bool print = false;
  std::string log = "text";
};

void add_options(cli::Program& app, CommandLine& line) {
  app.option("FILE", line.file,
             "configuration (TOML); without one: streams on demand, for trying things out");
  const cli::Option check =
      app.flag("--check", line.check, "check configuration, directories and room, and end");
  app.flag("--print", line.print, "print the effective configuration, secrets hidden, and end")
      .excludes(check);
  app.option("--log", line.log, "text or json: lines of the log, on standard error")
      .show_default()
      .check(cli::one_of({"text", "json"}));
  app.version("tp_driver " TENSORPOOL_VERSION);
  app.footer(
      "Every key of the file has an environment variable that wins over it: "
      "DRIVER_CONTROL_STREAM_ID is\n"
      "control_stream_id of [driver]. TP_LOG_LEVEL is 0 (error), 1 (warn), 2 (info), 3 (debug) or "
      "4 (trace).\n\n"
      "SIGINT and SIGTERM drain: clients are told, then the driver ends; a second one ends the "
      "wait.\n\n"
      "Exit codes: 0 all well, 1 could not start or go on, 2 wrong command line, 3 invalid "
      "configuration.");
}

void tell_warnings(const config::LoadedConfig& loaded) {
  for (const std::string& warning : loaded.warnings) complain("warning: " + warning);
}

int invalid(const Error& error) {
  complain(error);
  return exit_invalid;
}

// Nothing when the environment says something that is no level.
std::optional<LogLevel> level_of(const config::Environment& environment) {
  const auto given = environment.find("TP_LOG_LEVEL");
  if (given == environment.end()) return LogLevel::info;
  const auto level = log_level(given->second);
  if (!level)
    complain("environment variable TP_LOG_LEVEL = \"" + given->second +
             "\": must be 0, 1, 2, 3 or 4");
  return level;
}

int start(const config::LoadedConfig& loaded, const config::Directories& directories,
          LogFormat format, LogLevel level, const config::Environment& environment) {
  auto setup = driver::setup_from(loaded, directories);
  if (!setup) return invalid(setup.error());
  Log log(format, level);
  for (const std::string& warning : loaded.warnings)
    log.line(LogLevel::warn, "configuration", warning);
  const auto ran = run(std::move(*setup), log, ServiceManager(environment));
  if (ran) return exit_ok;
  log.line(LogLevel::error, "failed", ran.error().message());
  return exit_failed;
}

int carry_out(const CommandLine& line) {
  const config::Environment environment = config::process_environment();
  auto loaded = driver::load_configuration(
      {.file = line.file, .text = std::nullopt, .environment = environment, .overrides = {}});
  if (!loaded) return invalid(loaded.error());
  if (line.print) {
    tell_warnings(*loaded);
    return print(config::print(*loaded, config::Secrets::hidden)) ? exit_ok : exit_failed;
  }
  const auto directories = driver::check_machine(*loaded);
  if (!directories) return invalid(directories.error());
  const std::optional<LogLevel> level = level_of(environment);
  if (!level) return exit_invalid;
  if (line.check) {
    tell_warnings(*loaded);
    const std::string name = line.file.value_or(config::trial_name);
    return print(printable(name) + ": the configuration is valid\n") ? exit_ok : exit_failed;
  }
  return start(*loaded, *directories, line.log == "json" ? LogFormat::json : LogFormat::text,
               *level, environment);
}

}  // namespace
}  // namespace tensorpool::driver_program

int main(int argc, char** argv) {
  using namespace tensorpool::driver_program;
  catch_signals();
  tensorpool::cli::Program app(
      "tensorpool's driver: gives out leases and owns the memory of streams", "tp_driver");
  app.refuse_with([](std::string_view why) { complain(why); }, exit_usage);
  CommandLine line;
  add_options(app, line);
  if (const auto exit_code = app.read(argc, argv)) return *exit_code;
  return carry_out(line);
}
