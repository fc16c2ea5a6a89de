// The inside of a driver agent. Private to its three files: driver_agent.cpp (how it is made, its duty cycle, its
// end), driver_messages.cpp (what clients say and what the core wants) and driver_files.cpp (regions).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "agents/connector.hpp"
#include "agents/driver/driver_agent.hpp"
#include "agents/driver/driver_counters.hpp"
#include "agents/driver/outbox.hpp"
#include "shm/driver_place.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents::driver {

using protocol::Now;
using protocol::driver::Action;
using protocol::driver::Actions;
using protocol::driver::DriverCore;
using protocol::driver::Event;
using protocol::driver::Report;
using protocol::driver::State;

// What a stopping driver still waits for its last words to leave.
inline constexpr base::Nanos last_words_ns = 1'000'000'000;

class DriverAgent::Impl {
 public:
  Impl(DriverOptions options, World world, shm::DriverPlace place,
       std::deque<std::uint32_t> left_behind);

  Result<void> start() { return options_.invoked ? Result<void>{} : worker_.start(); }
  int do_work(std::uint32_t terminations);
  base::Nanos longest_cycle_ns() const noexcept { return longest_cycle_ns_; }
  bool stopped() const noexcept { return over_; }
  bool revoke(std::uint64_t lease_id, std::string_view text);
  DriverStatus status() const;
  const DriverCore& core() const noexcept { return core_; }

 private:
  // The regions of a stream's current epoch, as far as this process needs them mapped.
  struct Held {
    std::uint64_t epoch = 0;
    std::uint64_t bytes = 0;
    shm::MappedStream mapped;
  };

  Now now() const noexcept { return {world_.clock.monotonic_ns(), world_.clock.realtime_ns()}; }
  base::Nanos add_deadline() const noexcept {
    return world_.clock.monotonic_ns() + options_.media_driver_timeout_ns;
  }
  bool one_endpoint() const { return options_.announce == options_.control; }
  LinkAdd<transport::Publication>& announce_link() {
    return one_endpoint() ? generation_->control_out : generation_->announce_out;
  }

  int terminate(std::uint32_t terminations);
  bool has_room_to_end();
  int connect();
  void lose_connection(std::string_view why);
  int add_links();
  int publish(LinkAdd<transport::Publication>& link, const Endpoint& endpoint);
  int poll();
  void on_message(std::span<const std::byte> message);
  void on_driver_message(const wire::MessageHeader& header, std::span<const std::byte> message);
  template <class M, class Decoded>
  void hear(const Decoded& decoded, void (DriverCore::*step)(Now, const M&, Actions&));
  bool may_answer();
  int timers();
  int answers();
  void on_answer(RegionAnswer answer);
  void on_created(RegionsCreated created);
  void on_collected(const EpochsCollected& collected);
  int collect_left_behind();
  int send();
  int end();

  void apply();
  void perform(Action& action);
  template <class M>
  void say(const M& message);
  void announce(const protocol::driver::SendAnnounce& action);
  void on_report(const Report& report);
  void ask(RegionJob&& job);
  void retire(std::uint32_t stream_id);
  // More is likely to follow soon.
  void stir() const noexcept {
    if (options_.bell != nullptr) options_.bell->ring();
  }
  void notice(NoticeKind kind, std::uint32_t stream_id, std::string_view text);
  void error(std::uint32_t stream_id, std::string_view text) {
    ++errors_;
    notice(NoticeKind::error, stream_id, text);
  }

  const DriverOptions options_;
  World world_;
  shm::DriverPlace place_;  // its lock: ours until the end
  DriverCore core_;
  Actions actions_;
  std::unordered_map<std::uint32_t, Held> held_;
  std::uint64_t bytes_reserved_ = 0;
  RegionWorker worker_;
  std::deque<RegionAnswer> refused_;                      // of jobs that the worker had no room for
  std::deque<protocol::driver::RemoveRegions> removals_;  // to be asked for when there is room

  Connector connector_;
  std::shared_ptr<Generation> generation_;  // null while no media driver is connected
  bool up_ = false;                         // both streams are there
  base::Nanos clients_return_until_ns_ = 0;
  Outbox outbox_;
  DriverCounters counters_;
  std::deque<std::uint32_t>
      left_behind_;  // streams on disk that nobody configured, for the start's GC

  std::uint32_t terminations_ = 0;                       // heard
  bool end_now_ = false;                                 // by a second one
  base::Nanos drain_ends_ns_ = protocol::driver::never;  // of waiting for room to end
  base::Nanos longest_cycle_ns_ = 0;
  std::uint64_t shed_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t errors_ = 0;
  bool complained_ = false;  // about a full outbox, since it last had room
  bool cancelled_ = false;
  std::optional<base::Nanos> last_words_until_ns_;  // the core has ended
  bool over_ = false;
};

}  // namespace tensorpool::agents::driver
