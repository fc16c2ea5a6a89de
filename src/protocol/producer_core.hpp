// A producer: gets its regions, announces them, keeps them alive. Sans-IO like consumer_core.hpp. INIT →
// CONNECTING → MAPPED → ACTIVE of docs/protocol/04-driver.md B7 and B8. In driver mode the driver creates and
// announces, and regions come and go with the lease (lease_core.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "protocol/action_list.hpp"
#include "protocol/now.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol {

struct ProducerSettings {
  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;
  ClockDomain clock_domain = ClockDomain::monotonic;
  base::Nanos announce_period_ns = 1'000'000'000;
  base::Nanos qos_interval_ns = 1'000'000'000;
  bool announces = true;  // direct mode (STR-22); in driver mode the driver does (STR-21)
};

enum class ProducerState : std::uint8_t {
  init = 0,
  connecting = 1,  // the regions are being created
  mapped = 2,      // created; waiting for the descriptor stream
  active = 3,
  failed = 4,
  closed = 5,
};

// Get the regions of a new epoch: create them, or ask the driver for a lease. Answer with on_created() or
// on_create_failed().
struct CreateRegions {};
// Set the activity timestamp of every region to `now_ns` (STR-213).
struct RefreshActivity {
  std::uint64_t now_ns = 0;
};
struct SendAnnounce {
  wire::ShmPoolAnnounce message;
};
// The agent fills in current_seq.
struct SendQosProducer {
  wire::QosProducer message;
};
using ProducerAction = std::variant<CreateRegions, RefreshActivity, SendAnnounce, SendQosProducer>;
using ProducerActions = ActionList<ProducerAction>;

class ProducerCore {
 public:
  ProducerCore(ProducerSettings settings, Now now)
      : settings_(settings), next_qos_ns_(now.monotonic) {}

  void start(ProducerActions& actions);
  // `description` is the announce of the new regions but for its timestamp.
  void on_created(Now now, wire::ShmPoolAnnounce description, ProducerActions& actions);
  void on_create_failed() noexcept { state_ = ProducerState::failed; }
  // Driver mode: the lease is lost, and with it the regions. on_created() may come again.
  void on_lost() noexcept { state_ = ProducerState::connecting; }
  // The id of the lease, which is the producer's (decision in 04-driver.md A3).
  void set_producer_id(std::uint32_t id) noexcept { settings_.producer_id = id; }
  // The descriptor publication is there, or gone. The regions stay (a media driver may come back).
  void on_links(bool up) noexcept;
  void on_close() noexcept { state_ = ProducerState::closed; }
  void on_timer(Now now, ProducerActions& actions);

  base::Nanos deadline() const noexcept;
  ProducerState state() const noexcept { return state_; }
  std::uint64_t epoch() const noexcept { return announce_.epoch; }

 private:
  bool announcing() const noexcept {
    return state_ == ProducerState::mapped || state_ == ProducerState::active;
  }
  void announce(Now now, ProducerActions& actions);

  ProducerSettings settings_;
  ProducerState state_ = ProducerState::init;
  bool links_up_ = false;
  wire::ShmPoolAnnounce announce_;
  base::Nanos next_announce_ns_ = 0;
  base::Nanos next_qos_ns_ = 0;
};

}  // namespace tensorpool::protocol
