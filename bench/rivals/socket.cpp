// What people write at home: frames in a ring of slots in shared memory, and a Unix socket that carries
// the number of the slot. Nobody recommends a way; this is the usual one, done with care: a packet
// socket (SOCK_SEQPACKET) per receiver, whose boundaries are kept and which says when the other side
// is gone; slots that begin on cache lines; the sender prefaults the ring; nothing is allocated per
// frame.
//
// What differs: the sender knows nothing of what is read, so it overwrites a slot that somebody reads, and
// THERE IS NO CHECK FOR TORN FRAMES: intact() says true always, and a frame that was overwritten while it was
// read is wrong without a sign. A receiver whose socket is full misses a frame, which shows as a gap.
// Each frame costs a system call at the sender for each receiver, and one at the receiver; so does each look
// at an empty socket.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "registry.hpp"

namespace tensorpool::bench {
namespace {

constexpr int batch = 10;  // frames of one poll

constexpr std::uint64_t line = 64;
constexpr std::size_t most_receivers = 8;

// The packet.
struct Note {
  std::uint64_t seq;
  std::int64_t time_ns;
  std::uint64_t slot;
  std::uint64_t bytes;
};

[[noreturn]] void fail(const std::string& what) {
  throw Failure(fmt::format("socket: {}: {}", what, std::strerror(errno)));
}

class Fd {
 public:
  explicit Fd(int fd = -1) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) (void)::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

std::uint64_t stride_of(const Link& link) { return (link.frame_bytes + line - 1) / line * line; }

sockaddr_un address_of(const Link& link) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = link.directory + "/" + link.name() + ".socket";
  if (path.size() >= sizeof address.sun_path) throw Failure("socket: path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* plain(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// The slots. The sender makes the file; receivers map it for reading only.
class Ring {
 public:
  Ring(const Link& link, bool make) : bytes_(link.slots * stride_of(link)) {
    const std::string path = link.directory + "/" + link.name() + ".slots";
    const Fd file(
        ::open(path.c_str(), make ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600));
    if (file.get() < 0) fail("open " + path);
    if (make) {
      if (const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes_));
          error != 0) {
        errno = error;
        fail(fmt::format("posix_fallocate {} to {} bytes", path, bytes_));
      }
    }
    memory_ = ::mmap(nullptr, bytes_, make ? PROT_READ | PROT_WRITE : PROT_READ,
                     MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (memory_ == MAP_FAILED) fail("mmap " + path);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { (void)::munmap(memory_, bytes_); }
  std::byte* at(std::uint64_t offset) const noexcept {
    return static_cast<std::byte*>(memory_) + offset;
  }

 private:
  std::uint64_t bytes_;
  void* memory_ = nullptr;
};

class SocketSender final : public Sender {
 public:
  explicit SocketSender(const Link& link)
      : ring_(link, true),
        stride_(stride_of(link)),
        slots_(link.slots),
        listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = address_of(link);
    (void)::unlink(address.sun_path);
    if (listener_.get() < 0) fail("socket");
    if (::bind(listener_.get(), plain(address), sizeof address) != 0) fail("bind");
    if (::listen(listener_.get(), static_cast<int>(most_receivers)) != 0) fail("listen");
    receivers_.reserve(most_receivers);
  }

  std::byte* claim(std::size_t bytes) override {
    bytes_ = bytes;
    return ring_.at(next_ % slots_ * stride_);
  }
  bool publish(const Stamp& stamp) override {
    const Note note{stamp.seq, stamp.time_ns, next_ % slots_, bytes_};
    ++next_;
    bool told = false;
    for (std::size_t i = 0; i < receivers_.size();) {
      const ssize_t sent =
          ::send(receivers_[i].get(), &note, sizeof note, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {  // it went
        std::swap(receivers_[i], receivers_.back());
        receivers_.pop_back();
        continue;
      }
      told = told || sent == sizeof note;
      ++i;
    }
    return told;
  }
  void idle() override {
    while (receivers_.size() < most_receivers) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd.get() < 0) return;
      receivers_.push_back(std::move(fd));
    }
  }

 private:
  Ring ring_;
  std::uint64_t stride_;
  std::uint64_t slots_;
  std::uint64_t next_ = 0;
  std::uint64_t bytes_ = 0;
  Fd listener_;
  std::vector<Fd> receivers_;
};

Fd connect_to(const Link& link) {
  const sockaddr_un address = address_of(link);
  const std::int64_t begin = now_ns();
  for (;;) {
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) fail("socket");
    if (::connect(fd.get(), plain(address), sizeof address) == 0) return fd;
    if (now_ns() - begin > std::chrono::nanoseconds(patience).count())
      fail(fmt::format("connect {}", address.sun_path));
    (void)::usleep(1000);
  }
}

class SocketReceiver final : public Receiver {
 public:
  // Connecting first: then the file is there.
  explicit SocketReceiver(const Link& link)
      : socket_(connect_to(link)), ring_(link, false), stride_(stride_of(link)) {}

  int poll(Handler handler) override {
    int count = 0;
    for (Note note{}; count < batch; ++count) {
      const ssize_t got = ::recv(socket_.get(), &note, sizeof note, MSG_DONTWAIT);
      if (got != sizeof note) break;  // nothing there, or the sender went
      handler(Received({note.seq, note.time_ns}, {ring_.at(note.slot * stride_), note.bytes}));
    }
    return count;
  }
  int wait(Handler handler, std::chrono::nanoseconds timeout) override {
    if (const int count = poll(handler); count > 0) return count;
    pollfd wanted{socket_.get(), POLLIN, 0};
    const timespec limit{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    if (::ppoll(&wanted, 1, &limit, nullptr) < 0 && errno != EINTR) fail("ppoll");
    return poll(handler);
  }
  Missed missed() const override { return {}; }

 private:
  Fd socket_;
  Ring ring_;
  std::uint64_t stride_;
};

class SocketShm final : public Subject {
 public:
  std::string name() const override { return "socket"; }
  Kind kind() const override { return Kind::rival; }
  std::string version() const override { return "do-it-yourself"; }
  std::string setup() const override {
    return "a ring of slots in shared memory, their numbers through a SOCK_SEQPACKET Unix socket; "
           "no check for "
           "torn frames";
  }
  Capabilities capabilities() const override {
    Capabilities can;
    can.wait = true;
    can.proves = false;
    can.loss = Loss::overwrites_oldest;
    can.most_receivers = most_receivers;
    can.most_links = 64;
    return can;
  }
  std::uint64_t shared_bytes(const Link& link) const override {
    return link.slots * stride_of(link);
  }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<SocketSender>(link);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<SocketReceiver>(link);
  }
};

}  // namespace

std::unique_ptr<Subject> make_socket_shm() { return std::make_unique<SocketShm>(); }

}  // namespace tensorpool::bench
