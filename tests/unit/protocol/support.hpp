// A consumer core on a hand-driven clock: tests feed it announces and answers and look at the actions.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/consumer_core.hpp"

namespace tensorpool::protocol {

inline constexpr base::Nanos second = 1'000'000'000;
inline constexpr std::uint32_t test_stream = 10000;

// The first action of this kind; null when there is none.
template <class A, class Action>
const A* find(const std::vector<Action>& actions) {
  for (const Action& action : actions) {
    if (const A* found = std::get_if<A>(&action)) return found;
  }
  return nullptr;
}

template <class A, class Action>
std::size_t count(const std::vector<Action>& actions) {
  std::size_t n = 0;
  for (const Action& action : actions) {
    if (std::holds_alternative<A>(action)) ++n;
  }
  return n;
}

// A well-formed announce of test_stream, sent at `sent_ns` of its clock.
inline wire::ShmPoolAnnounce announce_of(std::uint64_t epoch, std::uint64_t sent_ns) {
  wire::ShmPoolAnnounce announce;
  announce.stream_id = test_stream;
  announce.producer_id = 7;
  announce.epoch = epoch;
  announce.announce_timestamp_ns = sent_ns;
  announce.announce_clock_domain = ClockDomain::monotonic;
  announce.layout_version = 1;
  announce.header_nslots = 8;
  announce.header_slot_bytes = 256;
  announce.header_region_uri = "shm:file?path=/dev/shm/a/header.ring";
  announce.payload_pools = {{1, 8, 4096, "shm:file?path=/dev/shm/a/1.pool"},
                            {2, 8, 65536, "shm:file?path=/dev/shm/a/2.pool"}};
  return announce;
}

class ConsumerDriver {
 public:
  using Actions = std::vector<ConsumerAction>;

  explicit ConsumerDriver(ConsumerSettings settings = default_settings())
      : core(std::move(settings), now) {
    core.on_image(now, session, 50 * second, true);
  }

  static ConsumerSettings default_settings() {
    ConsumerSettings settings;
    settings.stream_id = test_stream;
    settings.consumer_id = 42;
    return settings;
  }

  std::uint64_t clock() const { return static_cast<std::uint64_t>(now.monotonic); }
  void advance(base::Nanos by) {
    now.monotonic += by;
    now.realtime += by;
  }
  wire::ShmPoolAnnounce fresh_announce(std::uint64_t epoch) const {
    return announce_of(epoch, clock());
  }

  Actions announce(const wire::ShmPoolAnnounce& message) { return announce(message, session); }
  Actions announce(const wire::ShmPoolAnnounce& message, std::int32_t from) {
    core.on_announce(now, from, message, list);
    return list.take();
  }
  Actions announce(std::uint64_t epoch) { return announce(fresh_announce(epoch)); }
  Actions mapped(std::uint64_t map_id, std::uint64_t activity_ns) {
    core.on_mapped(now, map_id, activity_ns, list);
    return list.take();
  }
  Actions map_failed(std::uint64_t map_id, std::string text = "no such file") {
    core.on_map_failed(now, map_id, Error(Code::region_invalid, "map_stream", std::move(text)),
                       list);
    return list.take();
  }
  Actions checked(const RegionCheck& check) {
    core.on_checked(now, check, list);
    return list.take();
  }
  Actions note(std::uint64_t of_session, ConsumerNote kind, std::uint64_t argument) {
    core.on_note(now, of_session, kind, argument, list);
    return list.take();
  }
  Actions timer() {
    core.on_timer(now, list);
    return list.take();
  }

  // The id of the one mapping that `actions` ask for; 0 when they ask for none.
  static std::uint64_t map_id(const Actions& actions) {
    EXPECT_LE(count<MapRegions>(actions), 1U);
    const MapRegions* map = find<MapRegions>(actions);
    return map == nullptr ? 0 : map->map_id;
  }

  // Announce, map, done: mapped at `epoch`. Returns the session.
  std::uint64_t attach(std::uint64_t epoch) {
    const std::uint64_t id = map_id(announce(epoch));
    EXPECT_NE(id, 0U);
    (void)mapped(id, clock());
    EXPECT_EQ(core.epoch(), epoch);
    return core.session();
  }

  std::uint64_t refused(AnnounceRefusal why) const { return core.refused(why); }

  static constexpr std::int32_t session = 1;
  Now now{100 * second, 1'700'000'000 * second};
  ConsumerActions list;
  ConsumerCore core;
};

// Nothing mapped, nothing asked to be.
inline ::testing::AssertionResult ignored(const std::vector<ConsumerAction>& actions) {
  if (actions.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << actions.size() << " actions, the first of kind " << actions.front().index();
}

}  // namespace tensorpool::protocol
