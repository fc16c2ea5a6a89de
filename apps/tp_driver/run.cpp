#include "tp_driver/run.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agents/runner.hpp"
#include "base/posix_file_system.hpp"
#include "tensorpool/media_driver.hpp"
#include "tp_driver/signals.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::driver_program {
namespace {

using agents::driver::DriverAgent;
using protocol::driver::Event;
using protocol::driver::Report;

LogLevel level_of(Event event) noexcept {
  switch (event) {
    case Event::regions_failed:
    case Event::epoch_removal_failed:
    case Event::node_ids_exhausted:
      return LogLevel::warn;
    default:
      return LogLevel::info;
  }
}

void log_report(Log& log, const Report& report) {
  log.line(level_of(report.event), name(report.event), report.text,
           {{"stream_id", report.stream_id},
            {"client_id", report.client_id},
            {"lease_id", report.lease_id},
            {"epoch", report.epoch}});
}

void log_notice(Log& log, const agents::driver::DriverNotice& notice) {
  const auto [level, event] = [&]() -> std::pair<LogLevel, std::string_view> {
    switch (notice.kind) {
      case NoticeKind::connected:
        return {LogLevel::info, "media_driver_connected"};
      case NoticeKind::connection_lost:
        return {LogLevel::warn, "media_driver_lost"};
      default:
        return {LogLevel::error, "error"};
    }
  }();
  log.line(level, event, notice.text, {{"stream_id", notice.stream_id}});
}

// driver.embedded_media_driver. Destroyed after the agent.
Result<std::optional<MediaDriver>> media_driver_for(const DriverSetup& setup, Log& log) {
  const std::string& directory = setup.agent.aeron_dir;
  const bool automatic = setup.media_driver == EmbeddedMediaDriver::automatic;
  if (setup.media_driver == EmbeddedMediaDriver::never ||
      (automatic && MediaDriver::alive(directory)))
    return std::nullopt;
  auto launched = MediaDriver::launch({.aeron_dir = directory});
  if (launched) {
    log.line(LogLevel::info, "media_driver_started",
             "in this process, in " + launched->aeron_dir());
    return std::optional<MediaDriver>(std::move(*launched));
  }
  // Somebody else started one between the question and the launch.
  if (automatic && launched.error().code() == Code::rejected) return std::nullopt;
  return fail(std::move(launched.error()));
}

// Tells systemd, and the log when that fails: once, for the reason will stay.
class Told {
 public:
  Told(const ServiceManager& manager, Log& log) : manager_(manager), log_(log) {}
  void tell(std::string_view lines) {
    if (failed_) return;
    if (auto told = manager_.tell(lines); !told) {
      failed_ = true;
      log_.line(LogLevel::warn, "service_manager_unreachable", told.error().message());
    }
  }

 private:
  const ServiceManager& manager_;
  Log& log_;
  bool failed_ = false;
};

// The duty cycle, and what signals and the media driver change.
void cycle(DriverAgent& agent, Log& log, Told& told) {
  agents::IdleStrategy idle(Idle::backoff);
  constexpr unsigned rounds_between_looks = 256;
  unsigned rounds = 0;
  unsigned signals = 0;
  bool ready = false;
  while (!agent.stopped()) {
    for (; signals < signals_seen(); ++signals) {
      log.line(LogLevel::info, "signal", signals == 0 ? "drains" : "ends the wait");
      if (signals == 0) told.tell("STOPPING=1\nSTATUS=draining");
      agent.terminate();
    }
    const int work = agent.do_work();
    if (!ready && (work > 0 || ++rounds % rounds_between_looks == 0) && agent.status().connected) {
      ready = true;
      told.tell("READY=1\nSTATUS=running");
      log.line(LogLevel::info, "ready", "");
    }
    idle.idle(work);
  }
}

}  // namespace

Result<void> run(DriverSetup setup, Log& log, const ServiceManager& manager) {
  Told told(manager, log);
  told.tell("STATUS=starting");
  auto media_driver = media_driver_for(setup, log);
  if (!media_driver) return fail(std::move(media_driver.error()));

  const auto transport = transport::aeron::make_transport();
  base::PosixFileSystem file_system;
  const base::SystemClock clock;
  setup.agent.on_report = [&log](const Report& report) { log_report(log, report); };
  setup.agent.on_notice = [&log](const agents::driver::DriverNotice& notice) {
    log_notice(log, notice);
  };
  log.line(LogLevel::info, "starting",
           fmt::format("driver {} of {}, control stream {} of {}", setup.agent.instance_id,
                       setup.agent.regions.base_dir, setup.agent.control.stream_id,
                       setup.agent.control.channel));
  auto agent = DriverAgent::make(std::move(setup.agent), {*transport, file_system, clock});
  if (!agent) return fail(std::move(agent.error()));
  cycle(**agent, log, told);
  log.line(LogLevel::info, "ended", "");
  return {};
}

}  // namespace tensorpool::driver_program
