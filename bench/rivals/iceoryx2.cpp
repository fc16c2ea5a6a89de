// iceoryx2, zero-copy publish-subscribe in shared memory (https://iceoryx.io), from its crate; the version
// stands in iceoryx2/Cargo.toml and, with all that it needs, in Cargo.lock. Built with link-time
// optimisation, as its own benchmarks are.
//
// Set up as its documentation and its own publish-subscribe benchmark do: ipc::Service, slices [u8] whose memory is
// loaned uninitialised and sent without a copy, initial_max_slice_len as large as the largest frame, no
// history, safe overflow (a full queue drops its oldest sample), one publisher, as many subscribers as
// there are, beside two for such as have died. The queue holds as many samples as our ring has slots; its
// default is 2. The payload begins on a cache line, as ours does.
//
// Waiting: an event service beside the stream. A subscriber that wants to sleep makes a listener and
// waits on it; the publisher notifies after each sample while there is a listener and not otherwise, so
// those that spin pay one load for it.
//
// What differs: memory is loaned from a pool and given back by reference counts, so a frame that is being
// read is never overwritten, and a slow reader costs memory instead. A sample carries a header of its own
// (publisher id, number of elements) and the stamp as user header. Dropped samples are not counted; the
// workloads see them as gaps. Memory is not touched before it is used: warm-up does that.
#include "rivals/iceoryx2.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "registry.hpp"

namespace tensorpool::bench {
namespace {

constexpr int batch = 10;  // frames of one poll

// What the C functions want; it must outlive the call only.
class LinkSetup {
 public:
  LinkSetup(const Link& link, pid_t parent)
      : name_(link.name()),
        root_(link.directory + "/iceoryx2"),
        prefix_(named_memory_prefix(parent)) {
    std::error_code error;
    std::filesystem::create_directories(root_, error);
    if (error) throw Failure(fmt::format("iceoryx2: cannot make {}: {}", root_, error.message()));
    setup_ = {name_.c_str(),    root_.c_str(), prefix_.c_str(),
              link.frame_bytes, link.slots,    link.receivers};
  }
  LinkSetup(const LinkSetup&) = delete;
  LinkSetup& operator=(const LinkSetup&) = delete;
  const iceoryx2::Setup& get() const noexcept { return setup_; }

 private:
  std::string name_;
  std::string root_;
  std::string prefix_;
  iceoryx2::Setup setup_{};
};

// Makes one end, or throws its reason. Both ends may make the service at the same moment, and one of them
// then finds it half made: it tries again.
template <class End>
End* make_end(const Link& link, pid_t parent,
              End* (*make)(const iceoryx2::Setup*, char*, std::size_t)) {
  const LinkSetup setup(link, parent);
  std::array<char, 300> why{};
  const std::int64_t begin = now_ns();
  for (;;) {
    if (End* const end = make(&setup.get(), why.data(), why.size())) return end;
    if (now_ns() - begin > std::chrono::nanoseconds(std::chrono::seconds(5)).count())
      throw Failure(fmt::format("iceoryx2: {}", why.data()));
    (void)::usleep(10'000);
  }
}

class IceoryxSender final : public Sender {
 public:
  explicit IceoryxSender(iceoryx2::Sender* sender) : sender_(sender) {}
  ~IceoryxSender() override { iceoryx2::tpb_iceoryx2_end_sender(sender_); }
  std::byte* claim(std::size_t bytes) override {
    return static_cast<std::byte*>(
        static_cast<void*>(iceoryx2::tpb_iceoryx2_claim(sender_, bytes)));
  }
  bool publish(const Stamp& stamp) override {
    const int told = iceoryx2::tpb_iceoryx2_publish(sender_, stamp.seq, stamp.time_ns);
    if (told < 0) throw Failure("iceoryx2: a sample could not be sent");
    return told > 0;
  }

 private:
  iceoryx2::Sender* sender_;
};

class IceoryxReceiver final : public Receiver {
 public:
  explicit IceoryxReceiver(iceoryx2::Receiver* receiver) : receiver_(receiver) {}
  ~IceoryxReceiver() override { iceoryx2::tpb_iceoryx2_end_receiver(receiver_); }
  int poll(Handler handler) override {
    const int count = iceoryx2::tpb_iceoryx2_poll(
        receiver_,
        [](void* context, std::uint64_t seq, std::int64_t time_ns, const std::uint8_t* bytes,
           std::size_t size) {
          (*static_cast<Handler*>(context))(
              Received({seq, time_ns}, std::as_bytes(std::span(bytes, size))));
        },
        &handler, batch);
    if (count < 0) throw Failure("iceoryx2: receiving failed");
    return count;
  }
  int wait(Handler handler, std::chrono::nanoseconds timeout) override {
    const std::int64_t end = now_ns() + timeout.count();
    for (;;) {
      if (const int count = poll(handler); count > 0) return count;
      const std::int64_t left = end - now_ns();
      if (left <= 0) return 0;
      if (iceoryx2::tpb_iceoryx2_sleep(receiver_, static_cast<std::uint64_t>(left)) < 0)
        throw Failure("iceoryx2: waiting for an event failed");
    }
  }
  Missed missed() const override { return {}; }

 private:
  iceoryx2::Receiver* receiver_;
};

class Iceoryx2 final : public Subject {
 public:
  std::string name() const override { return "iceoryx2"; }
  Kind kind() const override { return Kind::rival; }
  std::string version() const override { return TENSORPOOL_BENCH_ICEORYX2; }
  std::string setup() const override {
    return "ipc::Service, slices loaned uninitialised, safe overflow, no history, a queue as long "
           "as our "
           "ring; sleepers are notified through an event service";
  }
  Capabilities capabilities() const override {
    Capabilities can;
    can.wait = true;
    can.loss = Loss::overwrites_oldest;
    can.most_receivers = 8;
    can.most_links = 64;
    return can;
  }
  std::uint64_t shared_bytes(const Link& link) const override {
    // A queue and two borrowed samples for each subscriber there may be, two loans; not all of it is
    // ever touched.
    return ((link.slots + 2) * (std::uint64_t{link.receivers} + 2) + 2) * (link.frame_bytes + 256);
  }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<IceoryxSender>(make_end(link, parent_, iceoryx2::tpb_iceoryx2_sender));
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<IceoryxReceiver>(
        make_end(link, parent_, iceoryx2::tpb_iceoryx2_receiver));
  }

 private:
  const pid_t parent_ = ::getpid();  // shared memory has no folder: see named_memory_prefix()
};

}  // namespace

std::unique_ptr<Subject> make_iceoryx2() { return std::make_unique<Iceoryx2>(); }

}  // namespace tensorpool::bench
