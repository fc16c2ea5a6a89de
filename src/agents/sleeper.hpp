// A waiter's half of the wake-up extension: how somebody sleeps until a bell rings or the conductor has news
// (docs/internals/concurrency.md, section 7; the memory orders are those of protocol/frame/wake.hpp).
//
// These are the steps C1 … C3, C5 and C6 of the recipe, whose order protocol::HostWake::sleep_once() keeps; C4,
// the last look at everything that a bell or a kick may announce, is the caller's.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "agents/wiring.hpp"
#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/limits.hpp"

namespace tensorpool::agents {

// The words by which a process wakes a sleeper of its own: Cell::asleep and Cell::kick.
struct KickWords {
  std::atomic<std::uint32_t>& asleep;
  std::atomic<std::uint32_t>& kick;
};

enum class SleepEnd : std::uint8_t {
  rung,     // by a producer
  kicked,   // by the conductor
  changed,  // a bell had rung, or the conductor had kicked, since look(): nobody slept
  time,
  interrupted,  // by a signal
};

// One thread. `links` outlive the sleep, as those of an adopted Wiring do.
class Sleeper {
 public:
  explicit Sleeper(KickWords words) noexcept : words_(words) {}

  // C1: tells the producers behind the bells of `links`, and the conductor, that we are about to sleep.
  void arm(const WakeLinks& links) noexcept;
  // C2, C3: takes down what bells and kick say. REQUIRES arm(), of the same links.
  void look(const WakeLinks& links) noexcept;
  // For those that sleep in our place: the words and what they said. REQUIRES look(), and no disarm() since.
  std::span<const base::FutexWord> words() const noexcept {
    return std::span(futexes_).first(count_);
  }
  // How many there will be at most.
  static std::size_t most_words(const WakeLinks& links) noexcept {
    return 1 + std::min<std::size_t>(links.count, base::limits::bells_per_consumer);
  }
  // The counter that arm() stored into, or none.
  const transport::CounterPlace& armed_counter() const noexcept { return armed_; }
  // Whether a bell can end the sleep. REQUIRES look().
  bool has_bell() const noexcept { return count_ > 1; }
  // Whether this kernel can wait for bells and conductor at once; otherwise a kick does not end a sleep that
  // has a bell, so do not sleep for long.
  static bool waits_for_all() noexcept;
  // C5. REQUIRES look().
  SleepEnd wait(base::Nanos until_ns) noexcept;
  // C6.
  void disarm() noexcept;

 private:
  KickWords words_;
  transport::CounterPlace armed_;  // none, or ours to store into
  // The kick's word, then the bells.
  std::array<base::FutexWord, 1 + base::limits::bells_per_consumer> futexes_{};
  std::uint32_t count_ = 0;
};

// How long one sleep may last. With a bell that has proved itself, long; with one that was quiet so far, less
// long; with one that failed to ring, or none, short.
class SleepSlices {
 public:
  // How long the next sleep is to last at most; `version` is that of the WakeLinks.
  base::Nanos next(bool has_bell, std::uint64_t version) noexcept;
  // How the last one ended, and whether there was work behind it.
  void ended(SleepEnd how, bool work) noexcept;
  // Something was found: the next wait begins with short pauses again.
  void found() noexcept { pause_ns_ = first_pause_ns; }

  static constexpr base::Nanos first_pause_ns = 50'000;  // without a bell
  static constexpr base::Nanos longest_pause_ns = 1'000'000;
  static constexpr base::Nanos first_slice_ns = 1'000'000;  // with one
  static constexpr base::Nanos untried_slice_ns = 50'000'000;
  static constexpr base::Nanos longest_slice_ns = 100'000'000;
  static constexpr base::Nanos longest_alone_ns = 10'000'000;  // where a kick cannot end it

 private:
  enum class Trust : std::uint8_t { untried, proved, missed };
  base::Nanos cap() const noexcept;

  base::Nanos pause_ns_ = first_pause_ns;
  base::Nanos slice_ns_ = first_slice_ns;
  std::uint64_t version_ = 0;
  Trust trust_ = Trust::untried;
  bool has_bell_ = false;
};

}  // namespace tensorpool::agents
