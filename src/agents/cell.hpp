// The memory that a conductor and one port share: the only way news passes between them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "agents/doorbell.hpp"
#include "agents/wiring.hpp"
#include "base/clock.hpp"
#include "base/fork.hpp"
#include "base/futex.hpp"
#include "protocol/frame/wake.hpp"

namespace tensorpool::agents {

inline constexpr base::Nanos no_deadline = INT64_MAX;

// A counter with one writer, readable from any thread.
class Stat {
 public:
  Stat() = default;
  Stat(const Stat&) = delete;
  Stat& operator=(const Stat&) = delete;
  void add(std::uint64_t n = 1) noexcept {
#if defined(__x86_64__) && !defined(TENSORPOOL_TSAN)
    // Compilers make a load, an addition and a store of the relaxed accesses below. This is one instruction that
    // does the same: not locked, so only for one writer; readers see one value or the other.
    __asm__("addq %1, %0" : "+m"(value_) : "er"(n) : "cc");
#else
    set(get() + n);
#endif
  }
  void set(std::uint64_t n) noexcept { at(value_).store(n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept {
    // C++20 has no atomic_ref of a const object; only load() is called on it.
    return at(const_cast<std::uint64_t&>(value_)).load(std::memory_order_relaxed);
  }

 private:
  using Ref = std::atomic_ref<std::uint64_t>;
  static_assert(Ref::is_always_lock_free);
  static Ref at(std::uint64_t& value) noexcept { return Ref(value); }

  alignas(Ref::required_alignment) std::uint64_t value_ = 0;
};

// What a port tells its conductor. One word pair per kind, so that a later note of another kind
// hides nothing; a note of a session that is over is ignored by the core.
enum class NoteKind : std::uint8_t {
  higher_epoch = 0,
  regression = 1,
  link_failed = 2,
  silent_waiters = 3,  // of WakeLinks::version (for a session): a bit for each that no wake finds
};
inline constexpr std::size_t note_kinds = 4;

class Note {
 public:
  // Port.
  void write(std::uint64_t session, std::uint64_t argument) noexcept {
    session_.store(session, std::memory_order_relaxed);
    argument_.store(argument, std::memory_order_relaxed);
    // Pairs with the acquire in read(): who sees the count sees the words before it.
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  struct Value {
    std::uint64_t count = 0;
    std::uint64_t session = 0;
    std::uint64_t argument = 0;
  };
  // Conductor. A count it has not seen means news. Words of two notes may mix only when both are
  // newer than the count, and then the next read sees that again.
  Value read() const noexcept {
    Value value;
    value.count = count_.load(std::memory_order_acquire);
    value.session = session_.load(std::memory_order_relaxed);
    value.argument = argument_.load(std::memory_order_relaxed);
    return value;
  }

 private:
  std::atomic<std::uint64_t> session_{0};
  std::atomic<std::uint64_t> argument_{0};
  std::atomic<std::uint64_t> count_{0};
};

struct ProducerCounts {
  Stat claimed, published, not_announced, aborted, refused, open;
  Stat too_large, exhausted, back_pressured, bytes;
  Stat sessions, next_seq, epoch;
  Stat wakes, empty_wakes;  // system calls for sleeping consumers, and those that found nobody
};

struct ConsumerCounts {
  Stat delivered, overwritten, lost, skipped, ended, seen;
  Stat foreign, wrong_epoch, duplicates, malformed, resyncs, bytes;
  Stat sessions, last_seq, epoch;
  Stat sleeps, woken;  // in the kernel, and those that a producer ended
};

// In a forked child, a cell's port finds the `forked` Wiring in its mail, whatever was there.
class ForkMail final : public base::InChild {
 public:
  explicit ForkMail(std::atomic<Wiring*>& mail) noexcept : mail_(mail), wiring_(forked_wiring()) {}
  void on_forked() noexcept override { mail_.store(&wiring_, std::memory_order_relaxed); }

 private:
  std::atomic<Wiring*>& mail_;
  Wiring& wiring_;  // made before any fork
};

// What a port's waits are told beside its mail. Bits of Cell::news.
enum class News : std::uint32_t {
  images = 1,       // by the conductor: its subscription reads somebody more
  interrupted = 2,  // by the application: the wait is to end
};

struct Cell {
  // Conductor to port: the newest Wiring that the port has not adopted yet.
  alignas(128) std::atomic<Wiring*> mail{nullptr};
  // News that a wait has not taken yet.
  std::atomic<std::uint32_t> news{0};
  // A state for observers of other threads; the port itself goes by its Wiring.
  std::atomic<PortState> state{PortState::connecting};
  // Conductor to port: until when the lease holds (CLOCK_MONOTONIC), raised with every keepalive; 0 without a
  // lease, no_deadline in direct mode. Relaxed: a port that sees an older value stops sooner, and a Wiring
  // that makes it active comes after the deadline of its lease, through the mail.
  std::atomic<base::Nanos> lease_deadline{no_deadline};
  // Of the lease, for observers of other threads: 0 and 0xFFFFFFFF when there is none.
  std::atomic<std::uint32_t> client_id{0};
  std::atomic<std::uint32_t> node_id{0xFFFFFFFFU};

  // Port to conductor.
  alignas(128) std::atomic<Wiring*> returns{nullptr};
  std::array<Note, note_kinds> notes;
  std::atomic<bool> closed{false};
  // The port has slept once and will again: it is worth a counter.
  std::atomic<bool> may_sleep{false};

  // While the port sleeps: the port says that it is about to, whoever has something for it changes the word that
  // it sleeps on. Apart from what the frame path looks at.
  alignas(128) std::atomic<std::uint32_t> asleep{0};
  std::atomic<std::uint32_t> kick{0};

  // Statistics: written by the port, mirrored into Aeron counters by the conductor.
  alignas(128) ProducerCounts producer;
  ConsumerCounts consumer;

  ForkMail fork_mail{mail};

  // Wakes the conductor; set by it before there is a port, null where nobody sleeps.
  std::shared_ptr<Doorbell> conductor;
  // Port, behind `closed`: a conductor that sleeps looks at once. Notes wait for the end of its sleep, since they come
  // from the frame path, which makes no system call.
  void call_conductor() noexcept {
    if (conductor != nullptr) conductor->ring();
  }

  Note& note(NoteKind kind) noexcept { return notes[static_cast<std::size_t>(kind)]; }

  // Port: gives a Wiring back that nothing pins any more. The release pairs with the acquire in
  // take_returns(), so the port's last access happens before the conductor unmaps. No ABA: the
  // taker takes all.
  void give_back(Wiring* wiring) noexcept {
    Wiring* head = returns.load(std::memory_order_relaxed);
    do {
      wiring->next = head;
    } while (!returns.compare_exchange_weak(head, wiring, std::memory_order_release,
                                            std::memory_order_relaxed));
  }
  // Conductor: the list of all Wirings given back so far, through `next`.
  Wiring* take_returns() noexcept { return returns.exchange(nullptr, std::memory_order_acquire); }

  // Conductor: publishes `wiring`; what comes back was never adopted and is the conductor's again.
  // K0, for kick_sleeper().
  Wiring* publish(Wiring* wiring) noexcept {
    return mail.exchange(wiring, protocol::WakeOrders::k0_mail);
  }
  // After publish(): ends the sleep that the port may be in or be about to begin (K1 … K3 of
  // protocol/frame/wake.hpp).
  void kick_sleeper() noexcept {
    if (!protocol::HostWake::kick(asleep, kick)) return;
    (void)base::futex_wake_all(&kick, base::FutexScope::process);
  }
  // Any thread, and inside signal handlers: K0 … K3 for news that are no mail.
  void tell(News what) noexcept {
    news.fetch_or(static_cast<std::uint32_t>(what), protocol::WakeOrders::k0_mail);
    kick_sleeper();
  }
  // Port: part of C4.
  bool has_news() const noexcept { return news.load(protocol::WakeOrders::c4_mail) != 0; }
  // Port: takes them; true when the wait is to end. What was written before tell() is seen behind it.
  bool take_interrupt() noexcept {
    if (news.load(std::memory_order_relaxed) == 0) [[likely]]
      return false;
    const std::uint32_t taken = news.exchange(0, std::memory_order_acquire);
    return (taken & static_cast<std::uint32_t>(News::interrupted)) != 0;
  }
};

}  // namespace tensorpool::agents
