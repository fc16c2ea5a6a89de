#include "tp_driver/run.hpp"

#include <string_view>
#include <utility>

#include "agents/runner.hpp"
#include "driver/engine.hpp"
#include "tp_driver/signals.hpp"

namespace tensorpool::driver_program {
namespace {

LogLevel level_of(DriverEvent event) noexcept {
  switch (event) {
    case DriverEvent::regions_failed:
    case DriverEvent::epoch_removal_failed:
    case DriverEvent::node_ids_exhausted:
    case DriverEvent::media_driver_lost:
      return LogLevel::warn;
    case DriverEvent::error:
      return LogLevel::error;
    default:
      return LogLevel::info;
  }
}

void log_notice(Log& log, const DriverNotice& notice) {
  log.line(level_of(notice.event), name(notice.event), notice.text,
           {{"stream_id", notice.stream_id},
            {"client_id", notice.client_id},
            {"lease_id", notice.lease_id},
            {"epoch", notice.epoch}});
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

// The duty cycle, and what signals change.
void cycle(driver::Engine& engine, Log& log, Told& told) {
  agents::Rest rest(Idle::backoff, engine.bell(), engine.longest_park());
  unsigned signals = 0;
  while (!engine.stopped()) {
    for (; signals < signals_seen(); ++signals) {
      log.line(LogLevel::info, "signal", signals == 0 ? "drains" : "ends the wait");
      if (signals == 0) told.tell("STOPPING=1\nSTATUS=draining");
      engine.terminate();
    }
    rest.before();
    rest.after(engine.do_work());
  }
}

}  // namespace

Result<void> run(driver::Setup setup, Log& log, const ServiceManager& manager) {
  Told told(manager, log);
  told.tell("STATUS=starting");
  auto engine = driver::Engine::start(std::move(setup), [&](const DriverNotice& notice) {
    if (notice.event == DriverEvent::ready) told.tell("READY=1\nSTATUS=running");
    log_notice(log, notice);
  });
  if (!engine) return fail(std::move(engine.error()));
  cycle(**engine, log, told);
  return {};
}

}  // namespace tensorpool::driver_program
