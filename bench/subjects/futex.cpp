// The bound of waking somebody up: a word in shared memory and the kernel's futex, nothing else. Moves
// stamps only; one frame at a time, a newer one takes the place of an older one.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "../registry.hpp"

namespace tensorpool::bench {
namespace {

struct Word {
  alignas(64) std::atomic<std::uint32_t> bell;
  Stamp stamp;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

class Memory {
 public:
  // Whoever comes first makes the file; all zero is its beginning.
  explicit Memory(const Link& link) {
    const std::string path = link.directory + "/futex-" + link.name();
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) throw Failure(fmt::format("cannot open {}: error {}", path, errno));
    void* const memory = ::ftruncate(file, sizeof(Word)) == 0
                             ? ::mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, file, 0)
                             : MAP_FAILED;
    ::close(file);
    if (memory == MAP_FAILED) throw Failure(fmt::format("cannot map {}: error {}", path, errno));
    word_ = static_cast<Word*>(memory);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { (void)::munmap(word_, sizeof(Word)); }
  Word* operator->() const noexcept { return word_; }

 private:
  Word* word_;
};

class FutexSender final : public Sender {
 public:
  explicit FutexSender(const Link& link) : memory_(link) {}
  std::byte* claim(std::size_t) override { return room_; }
  bool publish(const Stamp& stamp) override {
    memory_->stamp = stamp;
    memory_->bell.fetch_add(1, std::memory_order_seq_cst);
    (void)::syscall(SYS_futex, &memory_->bell, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    return true;
  }

 private:
  Memory memory_;
  alignas(64) std::byte room_[64]{};
};

class FutexReceiver final : public Receiver {
 public:
  explicit FutexReceiver(const Link& link)
      : memory_(link), seen_(memory_->bell.load(std::memory_order_acquire)) {}

  int poll(Handler handler) override {
    const std::uint32_t bell = memory_->bell.load(std::memory_order_acquire);
    if (bell == seen_) return 0;
    seen_ = bell;
    handler({memory_->stamp, {}});
    return 1;
  }
  int wait(Handler handler, std::chrono::nanoseconds timeout) override {
    const timespec relative{static_cast<time_t>(timeout.count() / 1'000'000'000),
                            static_cast<long>(timeout.count() % 1'000'000'000)};
    if (memory_->bell.load(std::memory_order_acquire) == seen_)
      (void)::syscall(SYS_futex, &memory_->bell, FUTEX_WAIT, seen_, &relative, nullptr, 0);
    return poll(handler);
  }
  Missed missed() const override { return {}; }

 private:
  Memory memory_;
  std::uint32_t seen_;
};

class Futex final : public Subject {
 public:
  std::string name() const override { return "futex"; }
  Kind kind() const override { return Kind::bound; }
  std::string setup() const override {
    return "bare futex: a word and a stamp in shared memory, FUTEX_WAKE by the sender, FUTEX_WAIT "
           "by the "
           "receiver";
  }
  Capabilities capabilities() const override {
    return {.payload = false,
            .wait = true,
            .wake_only = true,
            .loss = Loss::overwrites_oldest,
            .most_receivers = 1,
            .most_links = 64};
  }
  std::uint64_t shared_bytes(const Link&) const override { return 4096; }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<FutexSender>(link);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<FutexReceiver>(link);
  }
};

}  // namespace

std::unique_ptr<Subject> make_futex() { return std::make_unique<Futex>(); }

}  // namespace tensorpool::bench
