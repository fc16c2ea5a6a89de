#include "protocol/driver/driver_core.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace tensorpool::protocol::driver {
namespace {

// The most that one step of a list of things to do can ask for.
constexpr std::size_t largest_step = 6;

}  // namespace

DriverCore::DriverCore(Settings settings, Now now)
    : settings_(std::move(settings)),
      now_(now),
      leases_(settings_.first_lease_id),
      node_ids_(settings_.node_id_reuse_cooldown_ns),
      streams_(settings_),
      consumer_streams_(settings_.descriptor_stream_id_range, settings_.control_stream_id_range) {
  if (!settings_.epoch_gc_on_startup || !collects()) return;
  for (const StreamSetting& stream : settings_.streams) startup_gc_.push_back(stream.stream_id);
}

// The monotonic clock does not go back; should it seem to, nothing is undone.
void DriverCore::tell_time(Now now) noexcept {
  now_.realtime = now.realtime;
  now_.monotonic = std::max(now_.monotonic, now.monotonic);
}

bool DriverCore::room(const Actions& actions) noexcept {
  return actions.size() + largest_step <= Actions::capacity;
}

void DriverCore::report(Event event, const Stream& stream, std::string_view text,
                        Actions& actions) {
  actions.add(Report{event, stream.stream_id, 0, 0, stream.epoch, std::string(text)});
}

void DriverCore::on_hello(Now now, const wire::ConsumerHello& hello, Actions& actions) {
  tell_time(now);
  Lease* lease = leases_.of_client(hello.consumer_id);
  const bool answered = state_ != State::stopped && settings_.answer_hellos &&
                        wire::listed(hello.mode) && lease != nullptr &&
                        lease->key.role == wire::driver::Role::consumer &&
                        lease->key.stream_id == hello.stream_id;
  std::optional<wire::ConsumerConfig> config;
  if (answered) config = consumer_streams_.answer(hello, *lease);
  counters_.add(config ? Count::hellos_answered : Count::hellos_ignored);
  if (config) actions.add(SendConsumerConfig{*std::move(config)});
}

void DriverCore::on_shutdown_request(Now now, const wire::driver::ShmDriverShutdownRequest& request,
                                     Actions& actions) {
  tell_time(now);
  const bool allowed = !settings_.shutdown_token.empty() &&
                       request.token == settings_.shutdown_token && wire::listed(request.reason);
  if (!allowed || state_ != State::running) {
    counters_.add(Count::shutdown_ignored);
    return;
  }
  drain(request.reason, request.error_message, actions);
}

void DriverCore::on_terminate(Now now, Actions& actions) {
  tell_time(now);
  if (state_ == State::running) {
    drain(wire::driver::ShutdownReason::normal, {}, actions);
  } else if (state_ == State::draining) {
    stop_at_ns_ = now_.monotonic;
  }
}

void DriverCore::on_connected(Now now) noexcept {
  on_held_up(now);
  if (state_ == State::stopped) return;
  for (const auto& [id, stream] : streams_.all()) {
    if (stream.regions) announces_.set(id, now_.monotonic);
  }
}

void DriverCore::drain(wire::driver::ShutdownReason reason, std::string_view text,
                       Actions& actions) {
  state_ = State::draining;
  shutdown_reason_ = reason;
  shutdown_text_ = sendable(text);
  stop_at_ns_ = later(now_.monotonic, settings_.shutdown_timeout_ns);
  for (const auto& [id, stream] : streams_.all()) {
    if (stream.regions) announces_.set(id, now_.monotonic);  // DRV-206
  }
  actions.add(Report{.event = Event::draining, .text = shutdown_text_});
}

// All leases end with the notice (DRV-193); attaches that still wait are answered before it.
void DriverCore::stop(Actions& actions) {
  ready_.clear();
  while (!pending_.empty()) {
    if (!room(actions)) return;
    fail_pending(pending_.begin()->first, AttachRefusal::draining, {}, actions);
  }
  if (!room(actions)) return;
  wire::driver::ShmDriverShutdown notice;
  notice.timestamp_ns = static_cast<std::uint64_t>(now_.monotonic);
  notice.reason = shutdown_reason_;
  notice.error_message = shutdown_text_;
  actions.add(SendDriverShutdown{std::move(notice)});
  actions.add(Report{.event = Event::stopped, .text = shutdown_text_});
  state_ = State::stopped;
  leases_.clear();
  announces_.clear();
  collections_.clear();
  asked_.clear();
  startup_gc_.clear();
  if (!settings_.cleanup_shm_on_exit) return;
  for (const auto& [id, stream] : streams_.all()) {
    // A creation in flight leaves files, too.
    if (stream.epoch != 0 || stream.creation) to_remove_.push_back(id);
  }
}

void DriverCore::remove_regions(Actions& actions) {
  while (!to_remove_.empty() && room(actions)) {
    actions.add(RemoveRegions{to_remove_.front()});
    to_remove_.pop_front();
  }
  if (to_remove_.empty() && !std::exchange(stopped_told_, true)) actions.add(Stopped{});
}

void DriverCore::on_timer(Now now, Actions& actions) {
  tell_time(now);
  if (state_ == State::stopped) return remove_regions(actions);
  answer_ready(actions);
  while (!startup_gc_.empty() && room(actions)) {
    Stream& stream = *streams_.find(startup_gc_.front());
    // An epoch on its way is not current yet, and would be collected like any other; what it replaces is
    // collected once it is there.
    if (!stream.creation) collect(stream, actions);
    startup_gc_.pop_front();
  }
  collect_again(actions);
  while (const std::optional<std::uint32_t> due = announces_.due(now_.monotonic)) {
    if (!room(actions)) return;
    announce(*streams_.find(*due), actions);
  }
  expire(actions);
  if (now_.monotonic >= stop_at_ns_ && ready_.empty()) stop(actions);
}

base::Nanos DriverCore::deadline() const noexcept {
  const base::Nanos at_once = now_.monotonic;
  if (state_ == State::stopped) return to_remove_.empty() && stopped_told_ ? never : at_once;
  if (!ready_.empty() || !startup_gc_.empty()) return at_once;
  const base::Nanos expiry = std::max(leases_.next_expiry(), expiry_waits_until_);
  return std::max(at_once, std::min({announces_.next(), collections_.next(), expiry, stop_at_ns_}));
}

}  // namespace tensorpool::protocol::driver
