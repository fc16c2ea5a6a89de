#include "agents/ringer.hpp"

#include <bit>

#include "base/futex.hpp"

namespace tensorpool::agents {

void Ringer::wake(const WakeLinks& links, Cell& cell, std::uint64_t commit) noexcept {
  if (version_ != links.version) {
    version_ = links.version;
    waiters_ = {};
  }
  std::uint32_t armed = 0;
  bool worth_it = false;
  for (std::uint32_t i = 0; i < links.count; ++i) {
    const transport::CounterPlace& place = links.others[i];
    // The ring looked until the first that is armed; here are the others, behind the bell as well.
    if (!protocol::HostWake::is_armed(*place.value) || !place.live()) continue;
    Waiter& waiter = waiters_[i];
    if (waiter.seen + 1 != commit) waiter = Waiter{};
    waiter.seen = commit;
    armed |= 1U << i;
    worth_it |= !waiter.passed_over;
  }
  if (!worth_it) return;
  const int woken =
      base::futex_wake(links.own.value, base::FutexScope::shared, base::limits::sleepers_per_ring);
  cell.producer.wakes.add();
  if (woken == 0) {
    cell.producer.empty_wakes.add();
    note_misses(links, cell, armed);
    return;
  }
  // Fewer than are armed: the kernel does not say who was there.
  if (woken < std::popcount(armed)) return;
  for (std::uint32_t i = 0; i < links.count; ++i) {
    if ((armed >> i & 1U) == 0) continue;
    waiters_[i].misses = 0;
    waiters_[i].passed_over = false;
  }
}

void Ringer::note_misses(const WakeLinks& links, Cell& cell, std::uint32_t armed) noexcept {
  const base::Nanos now = base::SystemClock::monotonic();
  std::uint64_t silent = 0;
  bool news = false;
  for (std::uint32_t i = 0; i < links.count; ++i) {
    if ((armed >> i & 1U) == 0) continue;
    Waiter& waiter = waiters_[i];
    if (waiter.misses == 0) waiter.since_ns = now;
    if (waiter.misses < base::limits::empty_wakes) ++waiter.misses;
    if (!waiter.passed_over && waiter.misses == base::limits::empty_wakes &&
        now - waiter.since_ns >= base::limits::empty_wakes_ns)
      waiter.passed_over = news = true;
    if (waiter.passed_over) silent |= std::uint64_t{1} << i;
  }
  if (news) cell.note(NoteKind::silent_waiters).write(links.version, silent);
}

}  // namespace tensorpool::agents
