// The thread of an embedded media driver, and how it rests.
#pragma once

#include <aeronc.h>
#include <aeronmd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::transport::aeron {

// How long a media driver rests after a duty cycle. What an idle one costs is the number of times that it wakes.
// Frames do not wait for it: it carries out commands of clients, and it moves each publisher's limit on, by an
// eighth of a window (half a term) at a time. So it looks every 2 ms while anything moves, and every 10 ms after a
// tenth of a second of silence, which is still as often as its timers want to be looked at.
//
// What a burst after silence can lose: a publisher has at least 7/8 of a window before it meets its limit, which
// the media driver has to move on within one rest. With 16 MiB terms that are 76,000 descriptors in 10 ms, with
// the 1 MiB of control streams 4,700, with Aeron's smallest, 64 KiB, 298. A stream that fills 1/16 of its term
// more than once in a tenth of a second never sees the longer rest, so nothing else is at stake.
class DriverIdle {
 public:
  static constexpr base::Nanos shortest_rest_ns = 250'000;
  static constexpr base::Nanos longest_rest_ns = 2'000'000;
  static constexpr base::Nanos quiet_rest_ns = 10'000'000;
  static constexpr base::Nanos quiet_after_ns = 100'000'000;
  static constexpr int rounds_without_rest = 10;

  explicit DriverIdle(base::Nanos timer_interval_ns) noexcept
      : timer_interval_ns_(timer_interval_ns) {}

  // After a duty cycle that counted `work` and ended at `now`: how long to rest, 0 to go on at once.
  base::Nanos rest(base::Nanos now, int work) noexcept;

 private:
  base::Nanos timer_interval_ns_;
  base::Nanos last_tick_ns_ = 0;
  base::Nanos moved_at_ns_ = 0;
  base::Nanos rest_ns_ = shortest_rest_ns;
  int rounds_ = 0;
};

// Runs a media driver until it is destroyed, which takes one rest at most, or until its duty cycle fails, as Aeron's
// own runner does. Nobody is told then but by the silence: its heart stops, so probe() says that the process is there
// and last worked so long ago, and clients lose their connection (no_media_driver).
class MediaDriverThread {
 public:
  // Starts `driver`, initialised for manual work, and runs it; it outlives this object. Errors: system_error when
  // there is no thread to be had, transport_error of Aeron.
  static Result<std::unique_ptr<MediaDriverThread>> start(aeron_driver_t* driver,
                                                          base::Nanos timer_interval_ns);
  MediaDriverThread(const MediaDriverThread&) = delete;
  MediaDriverThread& operator=(const MediaDriverThread&) = delete;
  ~MediaDriverThread();

 private:
  MediaDriverThread() = default;
  void run(aeron_driver_t* driver, base::Nanos timer_interval_ns) noexcept;

  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace tensorpool::transport::aeron
