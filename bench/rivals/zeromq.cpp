// ZeroMQ over ipc:// (https://zeromq.org), from Debian's libzmq3-dev; the report says which version ran.
//
// Set up as its guide says. PUB and SUB: the pattern that it gives for a stream that any number of
// receivers follow (PUSH and PULL share work out: each frame would reach one of them). High-water marks
// stay at their default of 1000 messages, or fewer where these would be more than 256 MiB; a PUB drops
// the newest message when its mark is reached, which shows as a gap. (Marks as short as our ring make it
// drop although the receiver is up to date, because a sender hears of what was taken up to a
// millisecond late.) One context for each process and in it one I/O thread, its default, which the guide finds
// enough for a gigabyte per second. Messages of 4 KiB and more are handed over with zmq_msg_init_data (zero-copy,
// which the guide recommends for large ones only), from as many buffers as our ring has slots and a few, so that
// a sender waits for its I/O thread; smaller ones lie in the message itself.
//
// What differs: bytes go through a socket of the kernel, written and read once more by it, and by an I/O
// thread at each end, so nothing is shared and a slow receiver is never overwritten. Those threads have
// no CPU of their own on a small machine: they may run on every CPU that the bench has, and a
// receiver that finds nothing does not spin but blocks for up to a millisecond, as the guide's
// receivers do (with more than one in a process, where one cannot block for all, it gives its CPU away).
#include <fmt/format.h>
#include <sched.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "registry.hpp"

namespace tensorpool::bench {
namespace {

constexpr int batch = 10;  // frames of one poll

constexpr std::size_t stamp_bytes = sizeof(Stamp);
static_assert(stamp_bytes == 16);
constexpr std::size_t zero_copy_from = 4096;
constexpr std::size_t line = 64;
constexpr std::uint32_t default_mark = 1000;
constexpr std::uint64_t most_queued_bytes = 256U << 20U;

[[noreturn]] void fail(const char* call) {
  throw Failure(fmt::format("zeromq: {}: {}", call, ::zmq_strerror(::zmq_errno())));
}

// A buffer that the I/O thread gives back. The stamp ends where the payload begins, on a cache line.
struct Buffer {
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::operator delete(memory, std::align_val_t{line}); }
  std::byte* payload() const noexcept { return memory + line; }
  std::byte* message() const noexcept { return memory + line - stamp_bytes; }

  std::byte* memory = nullptr;
  std::atomic<bool> taken{false};
};

// One for all sockets of a process, as the guide wants it, as long as there are any.
class Context {
 public:
  static std::shared_ptr<Context> of_this_process() {
    static std::weak_ptr<Context> known;
    auto context = known.lock();
    if (!context) known = context = std::make_shared<Context>();
    return context;
  }
  Context() : context_(::zmq_ctx_new()) {
    if (context_ == nullptr) fail("zmq_ctx_new");
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { (void)::zmq_ctx_term(context_); }
  void* get() const noexcept { return context_; }
  // Of a sender that ends: the I/O thread may still read them, as long as it runs.
  void keep(std::vector<Buffer>&& buffers) { left_.push_back(std::move(buffers)); }

 private:
  void* context_;
  std::deque<std::vector<Buffer>> left_;
};

// The I/O thread begins with the first socket and inherits its CPUs from who makes it.
class Socket {
 public:
  Socket(int type, const Link& link, const cpu_set_t& cpus) : context_(Context::of_this_process()) {
    cpu_set_t own;
    CPU_ZERO(&own);
    const bool known = ::sched_getaffinity(0, sizeof own, &own) == 0;
    (void)::sched_setaffinity(0, sizeof cpus, &cpus);
    socket_ = ::zmq_socket(context_->get(), type);
    if (known) (void)::sched_setaffinity(0, sizeof own, &own);
    if (socket_ == nullptr) fail("zmq_socket");
    set(ZMQ_LINGER, 0);
    const auto fit = most_queued_bytes / std::max<std::uint64_t>(link.frame_bytes, 1);
    const auto mark =
        std::clamp<std::uint64_t>(fit, std::min(link.slots, default_mark), default_mark);
    set(type == ZMQ_PUB ? ZMQ_SNDHWM : ZMQ_RCVHWM, static_cast<int>(mark));
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { (void)::zmq_close(socket_); }
  void set(int option, int value) {
    if (::zmq_setsockopt(socket_, option, &value, sizeof value) != 0) fail("zmq_setsockopt");
  }
  void* get() const noexcept { return socket_; }
  std::shared_ptr<Context> context() const { return context_; }

 private:
  std::shared_ptr<Context> context_;  // ends after the socket
  void* socket_ = nullptr;
};

std::string endpoint_of(const Link& link) {
  return "ipc://" + link.directory + "/" + link.name() + ".zmq";
}

class ZeromqSender final : public Sender {
 public:
  ZeromqSender(const Link& link, const cpu_set_t& cpus)
      : buffers_(link.slots + 4), socket_(std::make_unique<Socket>(ZMQ_PUB, link, cpus)) {
    for (Buffer& buffer : buffers_) {
      buffer.memory =
          static_cast<std::byte*>(::operator new(line + link.frame_bytes, std::align_val_t{line}));
      std::memset(buffer.memory, 1, line + link.frame_bytes);  // its pages are there
    }
    if (::zmq_bind(socket_->get(), endpoint_of(link).c_str()) != 0) fail("zmq_bind");
  }
  ~ZeromqSender() override {
    if (socket_) socket_->context()->keep(std::move(buffers_));
  }

  std::byte* claim(std::size_t bytes) override {
    bytes_ = bytes;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      Buffer& buffer = buffers_[next_++ % buffers_.size()];
      if (buffer.taken.load(std::memory_order_acquire)) continue;
      claimed_ = &buffer;
      return buffer.payload();
    }
    return nullptr;
  }
  bool publish(const Stamp& stamp) override {
    std::memcpy(claimed_->message(), &stamp, stamp_bytes);
    zmq_msg_t message;
    const std::size_t size = stamp_bytes + bytes_;
    if (bytes_ >= zero_copy_from) {
      claimed_->taken.store(true, std::memory_order_relaxed);
      if (::zmq_msg_init_data(
              &message, claimed_->message(), size,
              [](void*, void* buffer) {
                static_cast<Buffer*>(buffer)->taken.store(false, std::memory_order_release);
              },
              claimed_) != 0)
        fail("zmq_msg_init_data");
    } else {
      if (::zmq_msg_init_size(&message, size) != 0) fail("zmq_msg_init_size");
      std::memcpy(::zmq_msg_data(&message), claimed_->message(), size);
    }
    if (::zmq_msg_send(&message, socket_->get(), ZMQ_DONTWAIT) >= 0) return true;
    const int error = ::zmq_errno();
    (void)::zmq_msg_close(&message);
    if (error != EAGAIN && error != EINTR) fail("zmq_msg_send");
    return false;
  }

 private:
  std::vector<Buffer> buffers_;
  std::unique_ptr<Socket> socket_;
  Buffer* claimed_ = nullptr;
  std::size_t next_ = 0;
  std::size_t bytes_ = 0;
};

class ZeromqReceiver final : public Receiver {
 public:
  ZeromqReceiver(const Link& link, const cpu_set_t& cpus) : socket_(ZMQ_SUB, link, cpus) {
    if (::zmq_setsockopt(socket_.get(), ZMQ_SUBSCRIBE, "", 0) != 0) fail("zmq_setsockopt");
    if (::zmq_connect(socket_.get(), endpoint_of(link).c_str()) != 0) fail("zmq_connect");
    if (::zmq_msg_init(&message_) != 0) fail("zmq_msg_init");
    ++receivers_here;
  }
  ~ZeromqReceiver() override {
    --receivers_here;
    (void)::zmq_msg_close(&message_);
  }

  int poll(Handler handler) override {
    int count = take(handler);
    if (count > 0) return count;
    if (receivers_here > 1) {
      (void)::sched_yield();
      return 0;
    }
    block(1);
    return take(handler);
  }
  int wait(Handler handler, std::chrono::nanoseconds timeout) override {
    if (const int count = take(handler); count > 0) return count;
    block(std::chrono::ceil<std::chrono::milliseconds>(timeout).count());
    return take(handler);
  }
  Missed missed() const override { return {}; }

 private:
  int take(Handler handler) {
    int count = 0;
    while (count < batch) {
      const int size = ::zmq_msg_recv(&message_, socket_.get(), ZMQ_DONTWAIT);
      if (size < 0) {
        if (::zmq_errno() == EAGAIN || ::zmq_errno() == EINTR) break;
        fail("zmq_msg_recv");
      }
      if (static_cast<std::size_t>(size) < stamp_bytes)
        throw Failure("zeromq: a message was cut short");
      const auto* const bytes = static_cast<const std::byte*>(::zmq_msg_data(&message_));
      Stamp stamp;
      std::memcpy(&stamp, bytes, stamp_bytes);
      handler(Received(stamp, {bytes + stamp_bytes, static_cast<std::size_t>(size) - stamp_bytes}));
      ++count;
    }
    return count;
  }
  void block(long milliseconds) {
    zmq_pollitem_t wanted{socket_.get(), 0, ZMQ_POLLIN, 0};
    if (::zmq_poll(&wanted, 1, milliseconds) < 0 && ::zmq_errno() != EINTR) fail("zmq_poll");
  }

  inline static int receivers_here = 0;  // in this process; they belong to one thread
  Socket socket_;
  zmq_msg_t message_{};
};

class Zeromq final : public Subject {
 public:
  Zeromq() {
    CPU_ZERO(&cpus_);
    (void)::sched_getaffinity(0, sizeof cpus_, &cpus_);
  }
  std::string name() const override { return "zeromq"; }
  Kind kind() const override { return Kind::rival; }
  std::string version() const override {
    int major = 0;
    int minor = 0;
    int patch = 0;
    ::zmq_version(&major, &minor, &patch);
    return fmt::format("{}.{}.{}", major, minor, patch);
  }
  std::string setup() const override {
    return "PUB and SUB over ipc, high-water marks of 1000 messages or 256 MiB, one I/O thread in "
           "each process, zmq_msg_init_data from 4 KiB on; receivers block instead of spinning";
  }
  Capabilities capabilities() const override {
    Capabilities can;
    can.wait = true;
    can.loss = Loss::drops_newest;
    can.most_receivers = 8;
    can.most_links = 64;
    return can;
  }
  std::uint64_t shared_bytes(const Link&) const override { return 4096; }  // a socket only
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<ZeromqSender>(link, cpus_);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<ZeromqReceiver>(link, cpus_);
  }

 private:
  cpu_set_t cpus_;  // of the whole bench, before workers are pinned
};

}  // namespace

std::unique_ptr<Subject> make_zeromq() { return std::make_unique<Zeromq>(); }

}  // namespace tensorpool::bench
