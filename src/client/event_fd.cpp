#include "client/event_fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tensorpool::client {
namespace {

using agents::BellThread;
using agents::SleepEnd;
using Recipe = protocol::HostWake;

// Without a bell: how often the application is asked to look. Longer than the pauses of a blocking wait, because
// each costs two threads a wake-up.
constexpr base::Nanos first_pause_ns = 1'000'000;
constexpr base::Nanos longest_pause_ns = 10'000'000;

}  // namespace

Result<std::unique_ptr<EventFd>> EventFd::open(ClientCore& core, agents::Cell& cell) {
  // Readable at first, for those who wait before they arm.
  const int fd = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    const bool limit = error == EMFILE || error == ENFILE;
    return fail(Error::system("event_fd", error,
                              limit ? "no file descriptor is left: close some, or raise the limit "
                                      "(ulimit -n, fs.file-max)"
                                    : "the kernel gives no eventfd; use next() or wait()"));
  }
  std::unique_ptr<EventFd> made(new EventFd(core, cell, fd));
  if (auto seated = core.bells().add(made->seat_, fd, "event_fd"); !seated)
    return fail(std::move(seated.error()));
  made->seated_ = true;
  made->pause_ns_ = first_pause_ns;
  return made;
}

EventFd::~EventFd() {
  // In a forked child the thread is not there, its mutex may be held for ever, and the fd is a copy.
  if (!core_.forked()) {
    disarm();
    if (seated_) core_.bells().remove(seat_);
    // A child that has a copy keeps an epoll set's interest in it alive, which nobody could end then.
    drain();
  }
  ::close(fd_);
}

void EventFd::give_up() noexcept {
  if (!armed_ || core_.forked()) return;
  disarm();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

void EventFd::drain() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(fd_, &count, sizeof count);
}

void EventFd::disarm() noexcept {
  if (!armed_ || core_.forked()) return;
  armed_ = false;
  ended_ = core_.bells().disarm(seat_);
  sleeper_.disarm();
}

base::Nanos EventFd::slice(const agents::WakeLinks& links) noexcept {
  const std::uint64_t seen = cell_.consumer.seen.get();
  const bool work = seen != seen_;
  seen_ = seen;
  const bool time = ended_ == BellThread::End::time;
  if (ended_ == BellThread::End::rung) slices_.ended(SleepEnd::rung, work);
  if (ended_ == BellThread::End::kicked) slices_.ended(SleepEnd::kicked, work);
  if (time) slices_.ended(SleepEnd::time, work);
  ended_ = BellThread::End::none;
  const base::Nanos with_bell = slices_.next(sleeper_.has_bell(), links.version);
  if (sleeper_.has_bell()) return with_bell;
  if (work) {
    pause_ns_ = first_pause_ns;
  } else if (time) {
    pause_ns_ = std::min(pause_ns_ * 2, longest_pause_ns);
  }
  return pause_ns_;
}

bool EventFd::arm(agents::ConsumerPort<PortEnv>& port) noexcept {
  static const agents::WakeLinks none;
  if (!cell_.may_sleep.load(std::memory_order_relaxed))
    cell_.may_sleep.store(true, std::memory_order_relaxed);
  const agents::WakeLinks* known = port.wake_links();
  const bool bells =
      core_.bells().make_room(seat_, agents::Sleeper::most_words(known == nullptr ? none : *known));
  const agents::WakeLinks& links = bells && known != nullptr ? *known : none;
  armed_ = Recipe::get_ready([&] { sleeper_.arm(links); }, [&] { sleeper_.look(links); },
                             [&] { return cell_.has_news() || port.anything_waiting(); },
                             [&] { sleeper_.disarm(); });
  if (!armed_) return true;
  // What is written from here on is about what comes behind C2 and C3.
  drain();
  core_.bells().arm(seat_, sleeper_.words(), sleeper_.armed_counter(),
                    base::SystemClock::monotonic() + slice(links));
  return false;
}

}  // namespace tensorpool::client
