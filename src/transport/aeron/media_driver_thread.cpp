#include "transport/aeron/media_driver_thread.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <system_error>
#include <utility>

#include "base/signals_blocked.hpp"

namespace tensorpool::transport::aeron {
namespace {

constexpr const char* launch_call = "MediaDriver::launch";

// What Aeron's own runner calls the thread that does everything, as far as the kernel keeps it.
constexpr const char* thread_name = "[conductor, sen";

// Aeron's error is per thread and sticky: read on the thread that failed.
Result<void> begin(aeron_driver_t* driver) {
  (void)::pthread_setname_np(::pthread_self(), thread_name);
  // Its hook at the start may pin the thread that calls, so it is this one.
  if (aeron_driver_start(driver, true) == 0) return {};
  const int number = aeron_errcode();
  return fail(
      Code::transport_error, launch_call,
      fmt::format("the media driver does not start: {} (Aeron error {})", aeron_errmsg(), number));
}

}  // namespace

base::Nanos DriverIdle::rest(base::Nanos now, int work) noexcept {
  // The timers count as one piece of work whenever they are looked at, whether or not anything fell due. The
  // clock was read after the duty cycle, so two of them may seem a little closer than they were.
  if (work > 0 && now - last_tick_ns_ >= timer_interval_ns_ - timer_interval_ns_ / 8) {
    last_tick_ns_ = now;
    --work;
  }
  if (work > 0) {
    moved_at_ns_ = now;
    rest_ns_ = shortest_rest_ns;
    rounds_ = 0;
    return 0;
  }
  if (rounds_ < rounds_without_rest) {
    ++rounds_;
    return 0;
  }
  const base::Nanos longest = now - moved_at_ns_ > quiet_after_ns ? quiet_rest_ns : longest_rest_ns;
  const base::Nanos rest = rest_ns_;
  rest_ns_ = std::min(rest_ns_ * 2, longest);
  return std::min(rest, longest);
}

Result<std::unique_ptr<MediaDriverThread>> MediaDriverThread::start(aeron_driver_t* driver,
                                                                    base::Nanos timer_interval_ns) {
  std::unique_ptr<MediaDriverThread> self(new MediaDriverThread());
  std::promise<Result<void>> begun;
  auto outcome = begun.get_future();
  const base::SignalsBlocked blocked;
  try {
    self->thread_ = std::thread(
        [thread = self.get(), driver, timer_interval_ns, begun = std::move(begun)]() mutable {
          Result<void> started = begin(driver);
          const bool runs = started.has_value();
          begun.set_value(std::move(started));
          if (runs) thread->run(driver, timer_interval_ns);
        });
  } catch (const std::system_error& error) {
    return fail(Error::system(launch_call, error.code().value(),
                              "no thread for the media driver; raise the limit of threads"));
  }
  if (auto started = outcome.get(); !started) return fail(std::move(started.error()));
  return self;
}

void MediaDriverThread::run(aeron_driver_t* driver, base::Nanos timer_interval_ns) noexcept {
  DriverIdle idle(timer_interval_ns);
  while (!stopping_.load(std::memory_order_acquire)) {
    const int work = aeron_driver_main_do_work(driver);
    if (work < 0) return;  // as Aeron's own runner does; the header says who notices
    const base::Nanos rest = idle.rest(base::SystemClock::monotonic(), work);
    if (rest > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(rest));
  }
}

MediaDriverThread::~MediaDriverThread() {
  stopping_.store(true, std::memory_order_release);
  if (thread_.joinable()) thread_.join();
}

}  // namespace tensorpool::transport::aeron
