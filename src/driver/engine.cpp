#include "driver/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agents/runner.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::driver {
namespace {

using agents::driver::DriverAgent;
using protocol::driver::Event;
using protocol::driver::Report;
using protocol::driver::State;

DriverEvent event_of(Event event) noexcept {
  switch (event) {
    case Event::lease_granted:
      return DriverEvent::lease_granted;
    case Event::lease_ended:
      return DriverEvent::lease_ended;
    case Event::stream_created:
      return DriverEvent::stream_created;
    case Event::stream_forgotten:
      return DriverEvent::stream_forgotten;
    case Event::regions_created:
      return DriverEvent::regions_created;
    case Event::regions_failed:
      return DriverEvent::regions_failed;
    case Event::epochs_removed:
      return DriverEvent::epochs_removed;
    case Event::epoch_removal_failed:
      return DriverEvent::epoch_removal_failed;
    case Event::node_ids_exhausted:
      return DriverEvent::node_ids_exhausted;
    case Event::draining:
      return DriverEvent::draining;
    case Event::stopped:
      return DriverEvent::stopped;
  }
  return DriverEvent::error;
}

DriverEvent event_of(NoticeKind kind) noexcept {
  switch (kind) {
    case NoticeKind::connected:
      return DriverEvent::media_driver_connected;
    case NoticeKind::connection_lost:
      return DriverEvent::media_driver_lost;
    default:
      return DriverEvent::error;
  }
}

DriverState state_of(State state) noexcept {
  switch (state) {
    case State::running:
      return DriverState::running;
    case State::draining:
      return DriverState::draining;
    case State::stopped:
      break;
  }
  return DriverState::stopped;
}

DriverStatus status_of(const agents::driver::DriverStatus& from) noexcept {
  DriverStatus status;
  status.state = state_of(from.state);
  status.connected = from.connected;
  status.producers = from.producers;
  status.consumers = from.consumers;
  status.pending_attaches = from.pending_attaches;
  status.streams = from.streams;
  status.streams_with_regions = from.streams_with_regions;
  status.bytes_reserved = from.bytes_reserved;
  status.requests_shed = from.shed_requests;
  status.messages_lost = from.lost_messages;
  status.malformed = from.malformed;
  status.errors = from.errors;
  status.longest_cycle_ns = from.longest_cycle_ns;
  return status;
}

// Only the totals are left of a driver that has ended.
DriverStatus totals_of(const agents::driver::DriverStatus& from) noexcept {
  const DriverStatus all = status_of(from);
  DriverStatus status;
  status.requests_shed = all.requests_shed;
  status.messages_lost = all.messages_lost;
  status.malformed = all.malformed;
  status.errors = all.errors;
  status.longest_cycle_ns = all.longest_cycle_ns;
  return status;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::start(Setup setup, OnNotice on_notice) {
  const protocol::driver::Settings& core = setup.agent.core;
  std::unique_ptr<Engine> engine(new Engine(
      setup.agent.aeron_dir,
      agents::Rest::longest_park_for(
          std::chrono::nanoseconds{std::min(core.keepalive_interval_ns, core.announce_period_ns)}),
      std::move(on_notice)));
  const agents::driver::DriverOptions& agent = setup.agent;
  const std::string text =
      fmt::format("driver {} of {}, control stream {} of {}", agent.instance_id,
                  agent.regions.base_dir, agent.control.stream_id, agent.control.channel);
  engine->tell({.event = DriverEvent::starting, .text = text});
  // One that wants its own and cannot have it makes nothing.
  if (setup.media_driver == EmbeddedMediaDriver::always && MediaDriver::alive(agent.aeron_dir)) {
    if (auto brought = engine->bring_media_driver(setup.media_driver); !brought)
      return fail(std::move(brought.error()));
  }
  if (auto made = engine->make_agent(std::move(setup.agent)); !made)
    return fail(std::move(made.error()));
  // Only now: one that is refused, since another has its namespace, must not have been the one whose media driver
  // that other found alive.
  if (auto brought = engine->bring_media_driver(setup.media_driver); !brought)
    return fail(std::move(brought.error()));
  return engine;
}

Result<void> Engine::bring_media_driver(EmbeddedMediaDriver wanted) {
  if (media_driver_) return {};
  const bool automatic = wanted == EmbeddedMediaDriver::automatic;
  if (wanted == EmbeddedMediaDriver::never || (automatic && MediaDriver::alive(aeron_dir_)))
    return {};
  auto launched = MediaDriver::launch({.aeron_dir = aeron_dir_});
  if (launched) {
    const std::string text = "in this process, in " + launched->aeron_dir();
    media_driver_.emplace(std::move(*launched));
    tell({.event = DriverEvent::media_driver_started, .text = text});
    return {};
  }
  // Somebody else started one between the question and the launch.
  if (automatic && launched.error().code() == Code::rejected) return {};
  return fail(std::move(launched.error()));
}

Result<void> Engine::make_agent(agents::driver::DriverOptions options) {
  options.on_report = [this](const Report& report) {
    tell({event_of(report.event), report.stream_id, report.client_id, report.lease_id, report.epoch,
          report.text});
  };
  options.on_notice = [this](const agents::driver::DriverNotice& notice) {
    tell({.event = event_of(notice.kind), .stream_id = notice.stream_id, .text = notice.text});
  };
  options.bell = &bell_;
  transport_ = transport::aeron::make_transport();
  auto made = DriverAgent::make(std::move(options), {*transport_, file_system_, clock_});
  if (!made) return fail(std::move(made.error()));
  agent_ = std::move(*made);
  return {};
}

int Engine::do_work() {
  if (agent_ == nullptr) return 0;
  const int work = agent_->do_work();
  if (!ready_) look_whether_ready(work);
  if (!agent_->stopped()) return work;
  last_ = totals_of(agent_->status());
  agent_.reset();
  tell({.event = DriverEvent::ended});
  return work + 1;
}

void Engine::look_whether_ready(int work) {
  constexpr unsigned rounds_between_looks = 256;
  if (work == 0 && ++rounds_ % rounds_between_looks != 0) return;
  ready_ = agent_->status().connected;
  if (ready_) tell({.event = DriverEvent::ready});
}

DriverStatus Engine::status() const {
  return agent_ == nullptr ? last_ : status_of(agent_->status());
}

std::vector<DriverLease> Engine::leases() const {
  std::vector<DriverLease> leases;
  if (agent_ == nullptr) return leases;
  const auto& all = agent_->core().leases().all();
  leases.reserve(all.size());
  for (const auto& [id, lease] : all) {
    leases.push_back({.lease_id = id,
                      .stream_id = lease.key.stream_id,
                      .client_id = lease.key.client_id,
                      .producer = lease.key.role == wire::driver::Role::producer,
                      .node_id = lease.node_id});
  }
  return leases;
}

Result<void> Engine::revoke(std::uint64_t lease_id, std::string_view text) {
  constexpr const char* call = "Driver::revoke";
  if (agent_ == nullptr) return fail(Error::hot(Code::closed, call));
  if (!agent_->core().leases().all().contains(lease_id)) {
    return fail(Code::invalid_argument, call,
                fmt::format("lease {}: not active; leases() has those that are", lease_id));
  }
  if (agent_->revoke(lease_id, text)) return {};
  return fail(Error::hot(Code::back_pressured, call));
}

}  // namespace tensorpool::driver
