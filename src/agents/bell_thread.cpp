#include "agents/bell_thread.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "agents/runner.hpp"
#include "base/assert.hpp"
#include "base/pause.hpp"
#include "base/signals_blocked.hpp"
#include "protocol/frame/wake.hpp"

namespace tensorpool::agents {
namespace {

// Without anything to look at: until a kick.
constexpr base::Nanos for_ever_ns = 3'600'000'000'000;
// Between looks where the kernel cannot wait for all words at once: before Linux 5.16, and beyond its limit.
constexpr base::Nanos alone_ns = 1'000'000;
// Until a call that was refused is tried again.
constexpr base::Nanos refused_ns = 1'000'000'000;
// For a seat that is held, before the mutex is asked for. The thread needs far fewer.
constexpr int spins = 200;

bool changed(const base::FutexWord& word) noexcept {
  return __atomic_load_n(static_cast<const std::uint32_t*>(word.word), __ATOMIC_ACQUIRE) !=
         word.expected;
}

}  // namespace

BellThread::~BellThread() {
  TP_ASSERT(seats_.empty());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    kick();
  }
  if (thread_.joinable()) thread_.join();
}

Result<void> BellThread::start(const char* call) {
  const base::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return fail(Error::system(call, error.code().value(),
                              "no thread to wait for bells; raise the limit of threads"));
  }
  return {};
}

Result<void> BellThread::add(Seat& seat, int fd, const char* call) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    if (auto started = start(call); !started) return started;
  }
  seat.fd_ = fd;
  seats_.push_back(&seat);
  return {};
}

void BellThread::remove(Seat& seat) noexcept {
  const std::lock_guard lock(mutex_);
  seat.state_.store(Seat::State::idle, std::memory_order_relaxed);  // nobody holds it now
  std::erase(seats_, &seat);
}

bool BellThread::make_room(Seat& seat, std::size_t words) noexcept {
  const std::lock_guard lock(mutex_);
  std::size_t left = base::limits::futexes_per_wait - 1;
  for (const Seat* other : seats_) left -= other == &seat ? 0 : other->room_;
  const bool fits = words <= left && !refused_.load(std::memory_order_relaxed);
  seat.room_ = static_cast<std::uint32_t>(fits ? words : std::min<std::size_t>(left, 1));
  return fits;
}

void BellThread::arm(Seat& seat, std::span<const base::FutexWord> words,
                     const transport::CounterPlace& armed, base::Nanos until_ns) noexcept {
  TP_ASSERT(!words.empty() && words.size() <= seat.words_.size());
  TP_ASSERT(seat.state_.load(std::memory_order_relaxed) == Seat::State::idle);
  std::ranges::copy(words, seat.words_.begin());
  seat.count_ = static_cast<std::uint32_t>(words.size());
  seat.counter_ = armed;
  seat.until_ns_ = until_ns;
  seat.end_ = End::none;
  seat.state_.store(Seat::State::armed, std::memory_order_release);  // pairs with hold()
  kick();
}

BellThread::End BellThread::disarm(Seat& seat) noexcept {
  using State = Seat::State;
  for (int spin = 0; spin < spins; ++spin) {
    State seen = State::armed;
    // Acquire, either way: what the thread did while it held the seat is over.
    if (seat.state_.compare_exchange_strong(seen, State::idle, std::memory_order_acquire) ||
        seen == State::idle)
      return seat.end_;
    base::cpu_pause();
  }
  const std::lock_guard lock(mutex_);
  seat.state_.store(State::idle, std::memory_order_relaxed);
  return seat.end_;
}

bool BellThread::hold(Seat& seat) noexcept {
  Seat::State seen = Seat::State::armed;
  return seat.state_.compare_exchange_strong(seen, Seat::State::held, std::memory_order_acquire,
                                             std::memory_order_relaxed);
}

void BellThread::kick() noexcept {
  kick_.fetch_add(1, std::memory_order_release);
  (void)base::futex_wake_all(&kick_, base::FutexScope::process);
}

bool BellThread::waits_for_bells(base::Nanos now) const noexcept {
  return !refused_.load(std::memory_order_relaxed) || now >= retry_ns_;
}

std::uint32_t BellThread::gather(Words& words, base::Nanos& until_ns) const noexcept {
  const base::Nanos now = base::SystemClock::monotonic();
  until_ns = now + for_ever_ns;
  // Before the seats: whatever comes after this ends the sleep.
  words[0] = {&kick_, kick_.load(std::memory_order_acquire), base::FutexScope::process};
  std::uint32_t count = 1;
  for (Seat* seat : seats_) {
    if (!hold(*seat)) continue;
    until_ns = std::min(until_ns, seat->until_ns_);
    if (!waits_for_bells(now) || seat->count_ > seat->room_) {
      until_ns = std::min(until_ns, now + alone_ns);
    } else {
      std::copy_n(seat->words_.begin(), seat->count_, words.begin() + count);
      count += seat->count_;
    }
    seat->state_.store(Seat::State::armed, std::memory_order_release);  // pairs with disarm()
  }
  return count;
}

void BellThread::sleep(const Words& words, std::uint32_t count, base::Nanos until_ns) noexcept {
  base::FutexEnd end = base::FutexEnd::unsupported;
  if (count > 1) {
    end = base::futex_wait_any(std::span(words).first(count), until_ns).end;
    const base::Nanos now = base::SystemClock::monotonic();
    refused_.store(end == base::FutexEnd::unsupported, std::memory_order_relaxed);
    retry_ns_ = now + refused_ns;
    until_ns = std::min(until_ns, now + alone_ns);
  }
  if (end == base::FutexEnd::unsupported) end = base::futex_wait(words[0], until_ns);
  if (end == base::FutexEnd::unsupported)  // by a sandbox
    std::this_thread::sleep_for(std::chrono::nanoseconds(alone_ns));
}

bool BellThread::look(Seat& seat, base::Nanos now) noexcept {
  const auto words = std::span(seat.words_).first(seat.count_);
  if (std::ranges::any_of(words.subspan(1), changed)) {
    seat.end_ = End::rung;
  } else if (changed(words.front())) {
    seat.end_ = End::kicked;
  } else if (now >= seat.until_ns_) {
    seat.end_ = End::time;
  }
  return seat.end_ != End::none;
}

void BellThread::fire() noexcept {
  const base::Nanos now = base::SystemClock::monotonic();
  for (Seat* seat : seats_) {
    if (!hold(*seat)) continue;
    const bool fires = look(*seat, now);
    if (fires && seat->counter_ && seat->counter_.live())
      protocol::HostWake::disarm(*seat->counter_.value);
    // Pairs with disarm().
    seat->state_.store(fires ? Seat::State::idle : Seat::State::armed, std::memory_order_release);
    if (!fires) continue;
    const std::uint64_t one = 1;
    // Cannot fail: it does not block, and nobody adds up to 2^64.
    [[maybe_unused]] const auto written = ::write(seat->fd_, &one, sizeof one);
  }
}

void BellThread::run() noexcept {
  name_thread("tp-bells");
  Words words;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    base::Nanos until_ns = 0;
    const std::uint32_t count = gather(words, until_ns);
    lock.unlock();
    sleep(words, count, until_ns);
    rounds_.fetch_add(1, std::memory_order_relaxed);
    lock.lock();
    fire();
  }
}

}  // namespace tensorpool::agents
