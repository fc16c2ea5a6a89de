// What the parts of fault_peer share: its arguments, what a producer sends and what a consumer makes of it.
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>

#include "fault/pattern.hpp"
#include "fault/point.hpp"
#include "support/commands.hpp"
#include "tensorpool/client.hpp"

namespace tensorpool::fault {

using namespace std::chrono_literals;
using test::Commands;
using test::pair;
using test::say;

inline constexpr auto peer_patience = 60s;
inline constexpr int refused_exit = 3;

// process.hpp says what they mean.
struct Arguments {
  std::string role, aeron_dir, base_dir, space;
  std::uint32_t stream = 0;
  std::uint32_t slots = 0;
  std::uint64_t sender = 0;
  std::string term;
  std::uint32_t ports = 1;
  std::int32_t control = 1000;
  std::uint32_t file_mode = 0660;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t owner = 0;
  std::uint32_t forbidden = 0007;
};

// Settings that driver and clients have to agree on. Short, but a crowded machine stops a process for a
// while, too, and that alone is no lost lease.
inline constexpr std::int64_t keepalive_ns = 300'000'000;
inline constexpr std::uint32_t grace = 4;
inline constexpr std::int64_t announce_ns = 300'000'000;
inline constexpr std::int64_t media_driver_timeout_ns = 6'000'000'000;

// The plan is armed with the first frame, else from the start or by command.
inline bool arms_with_frames = false;
inline void on_frame() noexcept {
  if (!arms_with_frames) return;
  arms_with_frames = false;
  armed = true;
}

// The longest time that passed between two rounds of the main loop: a process that stood still for as long
// as a lease lives has lost it rightly.
class Pace {
 public:
  void round() noexcept {
    const auto now = std::chrono::steady_clock::now();
    longest_ = std::max(longest_, now - last_);
    last_ = now;
  }
  std::string book() const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(longest_);
    return pair("gap_ms", static_cast<std::uint64_t>(ms.count()));
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration longest_{};
};

class Sender {
 public:
  Sender(Producer& producer, std::uint64_t name) : producer_(producer), name_(name) {}

  void publish() {
    const std::uint64_t seq = producer_.statistics().next_seq;
    auto slot = producer_.claim(spec_of(seq));
    if (!slot) {
      ++refused_;
      return;
    }
    fill(slot->bytes(), name_, slot->seq(), [] { visit(Point::filling); });
    CommitOptions options;
    options.trace_id = name_;
    // After a new mapping numbers start anew: what was filled in is another frame's then.
    if (slot->spec() != spec_of(slot->seq())) {
      (void)slot->abort();
      ++refused_;
    } else if (!slot->commit(options)) {
      ++refused_;
    }
  }
  // In bursts as the clock says they are due. Time in which this process did not run is not made up
  // for: that would be another rate. Says what the rate was.
  std::string flood(std::uint64_t rate, std::uint64_t seconds) {
    using Clock = std::chrono::steady_clock;
    constexpr std::int64_t pause_ns = 500'000;  // between two bursts
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::seconds(seconds);
    const std::uint64_t burst_limit = rate / 500;
    std::uint64_t sent = 0;
    for (auto before = begin, now = begin; now < end; before = now, now = Clock::now()) {
      const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - before);
      std::uint64_t due = static_cast<std::uint64_t>(passed.count()) * rate / 1'000'000;
      for (due = std::min(due, burst_limit); due > 0; --due, ++sent) publish();
      const timespec pause{0, pause_ns};
      (void)::ppoll(nullptr, 0, &pause, nullptr);
    }
    return pair("rate", sent / seconds);
  }
  std::string books() {
    (void)producer_.state();
    const ProducerStatistics s = producer_.statistics();
    return pair("claimed", s.claimed) + pair("published", s.published) +
           pair("not_announced", s.not_announced) + pair("open", s.open) +
           pair("back_pressured", s.back_pressured) + pair("epoch", s.epoch) +
           pair("commits_refused", s.refused) + pair("aborted", s.aborted) +
           pair("sessions", s.sessions) + pair("next_seq", s.next_seq) + pair("refused", refused_) +
           pair("balanced", s.balanced());
  }

 private:
  Producer& producer_;
  std::uint64_t name_;
  std::uint64_t refused_ = 0;
};

class Reader {
 public:
  explicit Reader(Consumer& consumer) : consumer_(consumer) {}

  bool read() {
    return consumer_.poll([this](const Frame& frame) { look(frame); }).work() != 0;
  }
  std::string books() {
    const PortState state = consumer_.state();
    const ConsumerStatistics s = consumer_.statistics();
    return pair("delivered", s.delivered) + pair("overwritten", s.overwritten) +
           pair("lost", s.lost) + pair("skipped", s.skipped) + pair("ended", s.ended) +
           pair("seen", s.seen) + pair("last_seq", s.last_seq) + pair("sessions", s.sessions) +
           pair("epoch", s.epoch) + pair("wrong_epoch", s.wrong_epoch) +
           pair("balanced", s.balanced()) + pair("sender", sender_) +
           pair("of_sender", of_sender_) + pair("wrong", wrong_) +
           pair("active", state == PortState::active);
  }

 private:
  // What was read counts only when the proof says so, and nothing is read after the proof. An epoch is
  // one sender's, from its first frame to its last.
  void look(const Frame& frame) {
    const FrameInfo& info = frame.info();
    const bool right = is_right(info, frame.bytes(), [] { visit(Point::reading); });
    if (!frame.intact()) return;
    on_frame();
    const std::uint64_t owner = owners_.try_emplace(info.epoch, info.trace_id).first->second;
    if (!right || owner != info.trace_id) ++wrong_;
    if (info.trace_id != sender_) of_sender_ = 0;
    sender_ = info.trace_id;
    ++of_sender_;
  }

  Consumer& consumer_;
  std::map<std::uint64_t, std::uint64_t> owners_;
  std::uint64_t sender_ = 0;
  std::uint64_t of_sender_ = 0;  // frames since it became the one that is heard
  std::uint64_t wrong_ = 0;
};

// The roles of driver mode.
int produce_leased(const Arguments& arguments);  // leased_peer.cpp
int consume_leased(const Arguments& arguments);
int drive(const Arguments& arguments, bool embeds_media_driver);  // driver_peer.cpp
int run_media_driver(const Arguments& arguments);

}  // namespace tensorpool::fault
