// The bound: what shared memory costs without any middleware. One writer, a ring of slots, and a
// commit word in each; readers spin on the commit word of the frame that they expect, read in place, and look at
// it once more afterwards. Nothing is discovered, supervised, counted or recovered.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "../registry.hpp"

namespace tensorpool::bench {
namespace {

// The number of the frame times two, plus one while it is being written.
struct alignas(64) Slot {
  std::atomic<std::uint64_t> commit;
  Stamp stamp;
  std::uint64_t bytes;
};
static_assert(sizeof(Slot) == 64 && std::atomic<std::uint64_t>::is_always_lock_free);

// Slots, then payloads from byte 64 of a page on, each of a whole number of cache lines: where
// tensorpool's payloads lie, too, so that copies meet the same offsets within pages.
class Memory {
 public:
  // The writer makes the file under another name, so that readers find it whole.
  Memory(const Link& link, bool writer)
      : slots_(link.slots),
        stride_((link.frame_bytes + 63) / 64 * 64),
        payloads_((slots_ * sizeof(Slot) + 4095) / 4096 * 4096 + 64) {
    const std::string path = link.directory + "/ring-" + link.name();
    const std::string made = writer ? path + ".new" : path;
    const int file = writer ? ::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                            : open_when_there(path);
    if (file < 0) throw Failure(fmt::format("cannot open {}: error {}", made, errno));
    const bool sized = !writer || ::ftruncate(file, static_cast<off_t>(bytes())) == 0;
    const int access = writer ? PROT_READ | PROT_WRITE : PROT_READ;
    void* const memory =
        sized ? ::mmap(nullptr, bytes(), access, MAP_SHARED | MAP_POPULATE, file, 0) : MAP_FAILED;
    ::close(file);
    if (memory == MAP_FAILED) throw Failure(fmt::format("cannot map {}: error {}", made, errno));
    memory_ = static_cast<std::byte*>(memory);
    if (link.lock_memory) (void)::mlock(memory_, bytes());
    if (writer) {
      std::memset(memory_, 0, bytes());
      std::filesystem::rename(made, path);
    }
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { (void)::munmap(memory_, bytes()); }

  Slot& slot(std::uint64_t number) const noexcept {
    return static_cast<Slot*>(static_cast<void*>(memory_))[number & (slots_ - 1)];
  }
  std::byte* payload(std::uint64_t number) const noexcept {
    return memory_ + payloads_ + (number & (slots_ - 1)) * stride_;
  }
  std::uint64_t slots() const noexcept { return slots_; }

 private:
  static int open_when_there(const std::string& path) {
    const std::int64_t begin = now_ns();
    for (;;) {
      const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (file >= 0 || errno != ENOENT) return file;
      if (std::chrono::nanoseconds{now_ns() - begin} > patience) return file;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }
  std::uint64_t bytes() const noexcept { return payloads_ + stride_ * slots_; }

  std::uint64_t slots_;
  std::uint64_t stride_;
  std::uint64_t payloads_;
  std::byte* memory_ = nullptr;
};

class RingSender final : public Sender {
 public:
  explicit RingSender(const Link& link) : memory_(link, true) {}

  std::byte* claim(std::size_t bytes) override {
    bytes_ = bytes;
    memory_.slot(next_).commit.store(next_ * 2 + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);  // before the first byte of the payload
    return memory_.payload(next_);
  }
  bool publish(const Stamp& stamp) override {
    Slot& slot = memory_.slot(next_);
    slot.stamp = stamp;
    slot.bytes = bytes_;
    slot.commit.store(next_ * 2, std::memory_order_release);
    ++next_;
    return true;
  }

 private:
  Memory memory_;
  std::uint64_t next_ = 1;
  std::uint64_t bytes_ = 0;
};

class RingReceiver final : public Receiver {
 public:
  explicit RingReceiver(const Link& link)
      : memory_(link, false), most_bytes_(link.frame_bytes), next_(newest() + 1) {}

  int poll(Handler handler) override {
    constexpr int limit = 10;
    int delivered = 0;
    for (int i = 0; i < limit; ++i) {
      const Slot& slot = memory_.slot(next_);
      const std::uint64_t seen = slot.commit.load(std::memory_order_acquire);
      if (seen < next_ * 2 || seen == next_ * 2 + 1) break;
      if (seen > next_ * 2 + 1) {  // lapped: on with the oldest frame that is there
        const std::uint64_t oldest = newest() - memory_.slots() + 1;
        if (oldest <= next_) break;
        overwritten_ += oldest - next_;
        next_ = oldest;
        continue;
      }
      const Look look{&slot, seen};
      const std::uint64_t bytes = std::min(slot.bytes, most_bytes_);
      handler({slot.stamp, {memory_.payload(next_), bytes}, &look, whole});
      whole(&look) ? ++delivered : static_cast<int>(++overwritten_);
      ++next_;
    }
    return delivered;
  }
  Missed missed() const override { return {overwritten_, 0, 0}; }

 private:
  struct Look {
    const Slot* slot;
    std::uint64_t seen;
  };
  static bool whole(const void* one) {
    const auto* look = static_cast<const Look*>(one);
    std::atomic_thread_fence(std::memory_order_acquire);  // after the last byte of the payload
    return look->slot->commit.load(std::memory_order_relaxed) == look->seen;
  }
  std::uint64_t newest() const noexcept {
    std::uint64_t newest = 0;
    for (std::uint64_t i = 0; i < memory_.slots(); ++i)
      newest = std::max(newest, memory_.slot(i).commit.load(std::memory_order_acquire) / 2);
    return newest;
  }

  Memory memory_;
  std::uint64_t most_bytes_;
  std::uint64_t next_;
  std::uint64_t overwritten_ = 0;
};

class Ring final : public Subject {
 public:
  std::string name() const override { return "ring"; }
  Kind kind() const override { return Kind::bound; }
  std::string setup() const override {
    return "bare ring in shared memory: one writer, a commit word for each slot, no middleware; "
           "mapped and "
           "touched before the clock runs";
  }
  Capabilities capabilities() const override {
    return {.payload = true,
            .loss = Loss::overwrites_oldest,
            .most_receivers = 1'000,
            .most_links = 1'000};
  }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<RingSender>(link);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<RingReceiver>(link);
  }
};

}  // namespace

std::unique_ptr<Subject> make_ring() { return std::make_unique<Ring>(); }

}  // namespace tensorpool::bench
