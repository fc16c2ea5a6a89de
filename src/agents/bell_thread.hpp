// The thread of a client that sleeps in place of applications that wait with poll or epoll: for the bells and the
// conductors of all consumers that have armed their file descriptor. It makes an fd readable when one of its
// words changed, or when its time is over (docs/internals/concurrency.md, section 7).
//
// Invariants
// 1. Who may touch a seat is said by its state. Idle: its consumer. Armed: nobody, but either may take it, the
//    consumer to idle, the thread to held. Held: the thread, for some ten instructions; then it is armed again, or
//    idle because it fired. So a consumer takes its seat back with one exchange, and waits, spinning, only for those
//    instructions; should the thread stand still in between, for the mutex, which it has then.
// 2. A seat's words are read by user space only while the thread holds it. A consumer disarms its seat before it gives
//    back the Wiring that the words belong to, so they are mapped then.
// 3. The kernel may be given words of a seat that is disarmed already: it answers with an error or a wake-up too
//    many where the memory is something else by now, and reads nothing for us.
// 4. A seat fires once for each arm(), and takes back the armed counter with that: until the application comes
//    round, no producer makes system calls for it. Its consumer stores to the counter only while the seat is
//    idle, so that the two never do at once. The fd is written to once the seat is idle, so that who is woken by it
//    finds it so; a consumer that is faster still, and arms again before, is woken once for nothing.
// 5. The thread reads its kick before it looks at the seats, and arm() kicks behind its seat: it sees the seat, or its
//    sleep ends at once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/limits.hpp"
#include "tensorpool/error.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

class BellThread {
 public:
  // How the last arm() of a seat ended.
  enum class End : std::uint8_t { none, rung, kicked, time };

  // One file descriptor; its consumer's, but all members belong to the BellThread.
  class Seat {
    friend class BellThread;
    enum class State : std::uint8_t { idle, armed, held };

    int fd_ = -1;
    std::array<base::FutexWord, 1 + base::limits::bells_per_consumer> words_{};
    std::uint32_t count_ = 0;
    transport::CounterPlace counter_;
    base::Nanos until_ns_ = 0;
    End end_ = End::none;
    std::atomic<State> state_{State::idle};
    std::uint32_t room_ =
        0;  // of all seats together, no more than the kernel takes; under the mutex
  };

  BellThread() = default;
  BellThread(const BellThread&) = delete;
  BellThread& operator=(const BellThread&) = delete;
  // REQUIRES no seats. Joins the thread; not in a forked child, where it is not.
  ~BellThread();

  // Any thread. Starts the thread with the first seat. `fd` is an eventfd that does not block, and outlives the
  // seat. Errors: system_error, in the name of `call`.
  Result<void> add(Seat& seat, int fd, const char* call);
  void remove(Seat& seat) noexcept;
  // Room for a seat's words, the conductor's among them, in what the thread sleeps on; until the next call. False:
  // it would look at bells now and then only, because this kernel cannot wait for several words or because there are
  // too many. Then arm for the conductor alone, so that no producer makes system calls for nobody.
  bool make_room(Seat& seat, std::size_t words) noexcept;
  // From now on a change of a word, or the end of the time, makes the fd readable, once. The first word is the kick's,
  // the others are bells. `armed`: the consumer's counter, or none. REQUIRES disarm() since the last arm(). Takes no
  // lock.
  void arm(Seat& seat, std::span<const base::FutexWord> words, const transport::CounterPlace& armed,
           base::Nanos until_ns) noexcept;
  // What has become of it; from now on nothing does. Takes no lock, unless the thread stands still in a seat.
  End disarm(Seat& seat) noexcept;

  // How often it has woken up.
  std::uint64_t rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }

 private:
  using Words = std::array<base::FutexWord, base::limits::futexes_per_wait>;

  Result<void> start(const char* call);
  void run() noexcept;
  bool waits_for_bells(base::Nanos now) const noexcept;
  // What to sleep on, and until when. REQUIRES the mutex.
  std::uint32_t gather(Words& words, base::Nanos& until_ns) const noexcept;
  void sleep(const Words& words, std::uint32_t count, base::Nanos until_ns) noexcept;
  // REQUIRES the mutex.
  void fire() noexcept;
  static bool hold(Seat& seat) noexcept;
  // Whether it is over, and how: end_. REQUIRES that the seat is held.
  static bool look(Seat& seat, base::Nanos now) noexcept;
  void kick() noexcept;

  std::mutex mutex_;
  std::vector<Seat*> seats_;
  bool stopping_ = false;
  std::thread thread_;
  std::atomic<std::uint32_t> kick_{0};
  std::atomic<std::uint64_t> rounds_{0};
  // This kernel, or a sandbox, forbids waits for several words. Written by the thread only, like the next line.
  std::atomic<bool> refused_{false};
  base::Nanos retry_ns_ = 0;  // it is asked again
};

}  // namespace tensorpool::agents
