#include "base/fork.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <type_traits>
#include <utility>

#include "base/assert.hpp"

// Linux 4.17; an older kernel takes the address as a hint, which the free hole satisfies.
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace tensorpool::base {
namespace {

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  Range* next = nullptr;
};

// Everything that the handler works on. Its end is nothing, so that ports may outlive static objects.
struct Known {
  std::mutex mutex;
  Range* mapped = nullptr;  // by this process
  Range* lost = nullptr;    // by its ancestors; changes in the handler only, and so needs no mutex
  InChild* first = nullptr;

  static Known& get() noexcept {
    static Known known;
    return known;
  }

 private:
  Known() {
    const int failed = ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
                                        [] { in_child(); });
    TP_ASSERT(failed == 0);
  }

  static void in_child() noexcept {
    Known& known = get();
    detail::in_forked_child.store(true, std::memory_order_relaxed);
    Range** last = &known.mapped;
    for (; *last != nullptr; last = &(*last)->next) {
      // Nothing better can be done where it fails: the hole stays a hole.
      [[maybe_unused]] void* const filled =
          ::mmap(const_cast<std::byte*>((*last)->begin),
                 static_cast<std::size_t>((*last)->end - (*last)->begin), PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    }
    *last = known.lost;
    known.lost = std::exchange(known.mapped, nullptr);
    for (InChild* one = known.first; one != nullptr; one = one->next) one->on_forked();
    known.mutex.unlock();
  }
};

static_assert(std::is_trivially_destructible_v<Known>);

}  // namespace

constinit std::atomic<bool> detail::in_forked_child{false};

bool detail::in_lost_range(const void* address) noexcept {
  const auto* at = static_cast<const std::byte*>(address);
  for (const Range* range = Known::get().lost; range != nullptr; range = range->next) {
    if (at >= range->begin && at < range->end) return true;
  }
  return false;
}

std::mutex& fork_mutex() noexcept { return Known::get().mutex; }

void note_mapped(std::byte* address, std::uint64_t bytes) {
  Known& known = Known::get();
  known.mapped = new Range{address, address + bytes, known.mapped};
}

void note_unmapped(const std::byte* address, std::uint64_t bytes) noexcept {
  for (Range** at = &Known::get().mapped; *at != nullptr; at = &(*at)->next) {
    Range* const range = *at;
    if (address < range->begin || address >= range->end) continue;
    if (address > range->begin) {
      range->end = address;
    } else if (address + bytes < range->end) {
      range->begin = address + bytes;
    } else {
      *at = range->next;
      delete range;
    }
    return;
  }
}

InChild::InChild() {
  Known& known = Known::get();
  const std::lock_guard guard(known.mutex);
  next = known.first;
  if (next != nullptr) next->previous = this;
  known.first = this;
}

InChild::~InChild() {
  Known& known = Known::get();
  const std::lock_guard guard(known.mutex);
  if (next != nullptr) next->previous = previous;
  (previous != nullptr ? previous->next : known.first) = next;
}

}  // namespace tensorpool::base
