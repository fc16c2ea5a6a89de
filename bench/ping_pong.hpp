// The closed loop that both rivals run, word for word the same: one message out, its echo back, one
// outstanding at a time, both sides spinning. A Link is
//   bool send();     one message; false when it did not leave
//   bool receive();  true when at least one message arrived (and was proved)
//   void do_work();  the conductor's duty cycle, in this very thread
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "stage.hpp"
#include "statistics.hpp"

namespace tensorpool::bench {

struct PingOptions {
  std::uint64_t warm_up = 20'000;
  std::uint64_t pings = 200'000;
  bool share_cpu = false;  // one CPU for both: give it away while waiting
};

// What the two processes share beside the messages.
struct PingBoard {
  // Raised whenever the pinger runs its conductor; the echo side runs its own then. So conductors
  // never run inside a timed round trip.
  alignas(128) std::atomic<std::uint32_t> cycle;
  alignas(128) std::atomic<bool> stop;
  alignas(128) Percentiles half_round_trip;
};

constexpr std::int64_t give_up_ns = 30'000'000'000;

template <class Link>
void await(Link& link, const PingOptions& options, std::int64_t since) {
  for (std::uint32_t spins = 1; !link.receive(); ++spins) {
    if (options.share_cpu) (void)::sched_yield();
    if ((spins & 0xFFFFF) == 0 && now_ns() - since > give_up_ns)
      throw Failure("an echo did not come back");
  }
}

// Sends until echoes come back, then waits until the last one of them has arrived.
template <class Link>
void shake_hands(Link& link, PingBoard& board, const PingOptions& options) {
  constexpr std::int64_t retry_ns = 20'000'000;
  const std::int64_t begin = now_ns();
  std::int64_t sent = 0;
  std::int64_t heard = 0;
  while (heard == 0 || now_ns() - heard < retry_ns) {
    board.cycle.fetch_add(1, std::memory_order_relaxed);
    link.do_work();
    if (heard == 0 && now_ns() - sent > retry_ns && link.send()) sent = now_ns();
    if (link.receive()) heard = now_ns();
    if (options.share_cpu) (void)::sched_yield();
    if (now_ns() - begin > give_up_ns) throw Failure("the two sides did not find each other");
  }
}

template <class Link>
void ping(Link& link, PingBoard& board, const PingOptions& options) {
  constexpr int untimed = 8;  // after each run of the conductors
  constexpr int timed = 500;
  Histogram round_trips;
  shake_hands(link, board, options);
  for (std::uint64_t done = 0; done < options.warm_up + options.pings; done += timed) {
    board.cycle.fetch_add(1, std::memory_order_relaxed);
    link.do_work();
    for (int i = 0; i < untimed + timed; ++i) {
      const std::int64_t begin = now_ns();
      // Refused where the media driver got no processor for a while.
      while (!link.send()) {
        (void)::sched_yield();
        if (now_ns() - begin > give_up_ns) throw Failure("pings are refused");
      }
      await(link, options, begin);
      const std::int64_t end = now_ns();
      if (i >= untimed && done >= options.warm_up) round_trips.record(end - begin);
    }
  }
  board.half_round_trip = round_trips.percentiles(2);
  board.stop.store(true, std::memory_order_release);
}

template <class Link>
void echo(Link& link, PingBoard& board, const PingOptions& options) {
  std::uint32_t cycle = 0;
  bool owed = false;
  while (!board.stop.load(std::memory_order_relaxed)) {
    if (link.receive()) owed = true;
    if (owed) {
      owed =
          !link.send();  // refused while shaking hands, and by a media driver without a processor
      if (!owed) continue;
    }
    const std::uint32_t asked = board.cycle.load(std::memory_order_relaxed);
    if (asked != cycle) {
      cycle = asked;
      link.do_work();
    }
    if (options.share_cpu) (void)::sched_yield();
  }
}

// The two sides over each rival; `aeron_dir` is that of the running media driver. They return when
// the pinger is done. Raw Aeron moves 48 bytes, as a descriptor does, over exclusive publications.
void ping_aeron(const std::string& aeron_dir, PingBoard& board, const PingOptions& options);
void echo_aeron(const std::string& aeron_dir, PingBoard& board, const PingOptions& options);

// Frames of `size` bytes, untouched: claim, commit, poll, proof. The regions lie in the stage.
void ping_tensorpool(const Stage& stage, std::uint64_t size, PingBoard& board,
                     const PingOptions& options);
void echo_tensorpool(const Stage& stage, std::uint64_t size, PingBoard& board,
                     const PingOptions& options);

}  // namespace tensorpool::bench
