#include "protocol/producer_core.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tensorpool::protocol {

void ProducerCore::start(ProducerActions& actions) {
  state_ = ProducerState::connecting;
  actions.add(CreateRegions{});
}

void ProducerCore::on_created(Now now, wire::ShmPoolAnnounce description,
                              ProducerActions& actions) {
  if (state_ != ProducerState::connecting) return;
  announce_ = std::move(description);
  announce_.stream_id = settings_.stream_id;
  announce_.producer_id = settings_.producer_id;
  announce_.announce_clock_domain = settings_.clock_domain;
  state_ = links_up_ ? ProducerState::active : ProducerState::mapped;
  announce(now,
           actions);  // at once (STR-24, STR-226), and not before the regions are complete (STR-32)
}

void ProducerCore::on_links(bool up) noexcept {
  links_up_ = up;
  if (state_ == ProducerState::mapped && up) {
    state_ = ProducerState::active;
    next_announce_ns_ = 0;  // whoever joined with the new connection hears of the stream at once
  } else if (state_ == ProducerState::active && !up) {
    state_ = ProducerState::mapped;
  }
}

// The activity first, so that a reader that acts on the announce finds it fresh.
void ProducerCore::announce(Now now, ProducerActions& actions) {
  next_announce_ns_ = now.monotonic + settings_.announce_period_ns;
  actions.add(RefreshActivity{static_cast<std::uint64_t>(now.monotonic)});
  if (!settings_.announces) return;
  const base::Nanos clock =
      settings_.clock_domain == ClockDomain::monotonic ? now.monotonic : now.realtime;
  announce_.announce_timestamp_ns =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(clock));  // STR-28
  actions.add(SendAnnounce{announce_});
}

void ProducerCore::on_timer(Now now, ProducerActions& actions) {
  if (!announcing()) return;
  if (now.monotonic >= next_announce_ns_) announce(now, actions);
  if (now.monotonic < next_qos_ns_) return;
  next_qos_ns_ = now.monotonic + settings_.qos_interval_ns;
  wire::QosProducer qos;
  qos.stream_id = settings_.stream_id;
  qos.producer_id = settings_.producer_id;
  qos.epoch = announce_.epoch;
  actions.add(SendQosProducer{qos});
}

base::Nanos ProducerCore::deadline() const noexcept {
  return announcing() ? std::min(next_announce_ns_, next_qos_ns_)
                      : std::numeric_limits<base::Nanos>::max();
}

}  // namespace tensorpool::protocol
