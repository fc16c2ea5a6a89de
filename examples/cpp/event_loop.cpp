// One epoll loop over a consumer and a timer, as a program has it that waits for other things too.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "support.hpp"

namespace tp = tensorpool;
using namespace std::chrono_literals;
using example::Arguments;
using example::Mirror;

namespace {

[[noreturn]] void give_up(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

// A descriptor of ours.
class Descriptor {
 public:
  Descriptor(int fd, const char* call) : fd_(fd) {
    if (fd < 0) give_up(call);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(fd_); }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

void watch(const Descriptor& epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl");
}

// Takes what there is, and asks to be told of more. False when the client is closed.
bool serve(tp::Consumer& consumer, Mirror& mirror) {
  const auto look = [&mirror](const tp::Frame& frame) {
    const auto image = frame.view<std::uint16_t, 2>();
    if (!image) return;
    const auto spot = example::centroid(*image);
    if (frame.intact()) mirror.steer(spot, frame.seq());
  };
  // [guide:event-loop]
  for (;;) {
    const tp::Polled polled = consumer.poll(look);
    if (polled.state == tp::PortState::closed) return false;
    if (polled.work() > 0) continue;
    const auto ready = consumer.arm();
    if (!ready) return false;  // closed meanwhile
    if (!*ready) return true;  // now wait: the descriptor becomes readable when it is worth a poll
  }
  // [/guide:event-loop]
}

bool loop(const Arguments& args) {
  auto client = tp::Client::connect({.allowed_base_dirs = {args.base_dir}}).value();
  auto consumer = client.consumer({.stream = args.stream}).wait(10s).value();
  const Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const Descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
  const itimerspec every_second{{1, 0}, {1, 0}};
  if (::timerfd_settime(timer.get(), 0, &every_second, nullptr) != 0) give_up("timerfd_settime");
  watch(epoll, timer.get());
  watch(epoll, consumer.event_fd().value());  // the consumer's: only to wait for
  Mirror mirror;
  bool open = true;
  while (open && !example::stopped() && (args.count == 0 || mirror.steered() < args.count)) {
    epoll_event event{};
    const int count = ::epoll_wait(epoll.get(), &event, 1, -1);
    if (count < 0 && errno != EINTR) give_up("epoll_wait");
    if (count < 1) continue;
    if (event.data.fd == timer.get()) {
      std::uint64_t seconds = 0;
      if (::read(timer.get(), &seconds, sizeof seconds) != sizeof seconds) give_up("read");
      std::printf("%llu frames so far\n", static_cast<unsigned long long>(mirror.steered()));
    } else {
      open = serve(consumer, mirror);
    }
  }
  return report(consumer.statistics(), mirror);
}

}  // namespace

int main(int argc, char** argv) { return example::run(argc, argv, loop); }
