#include "base/fork.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <vector>

// Linux 4.17; an older kernel takes the address as a hint, which the free hole satisfies.
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace tensorpool::base {
namespace {

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  bool lost = false;  // of an ancestor
};

// Everything that the handler works on. Never destroyed: ports may outlive static objects.
struct Known {
  std::mutex mutex;
  std::vector<Range> ranges;
  InChild* first = nullptr;

  static Known& get() noexcept {
    static Known* const known = new Known();
    return *known;
  }

 private:
  Known() {
    ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); }, [] { in_child(); });
  }

  static void in_child() noexcept {
    Known& known = get();
    detail::in_forked_child.store(true, std::memory_order_relaxed);
    for (Range& range : known.ranges) {
      range.lost = true;
      // Nothing better can be done where it fails: the hole stays a hole.
      (void)::mmap(const_cast<std::byte*>(range.begin),
                   static_cast<std::size_t>(range.end - range.begin), PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    }
    for (InChild* one = known.first; one != nullptr; one = one->next) one->on_forked();
    known.mutex.unlock();
  }
};

}  // namespace

constinit std::atomic<bool> detail::in_forked_child{false};

bool detail::in_lost_range(const void* address) noexcept {
  Known& known = Known::get();
  const std::lock_guard guard(known.mutex);
  const auto* at = static_cast<const std::byte*>(address);
  for (const Range& range : known.ranges) {
    if (range.lost && at >= range.begin && at < range.end) return true;
  }
  return false;
}

std::mutex& fork_mutex() noexcept { return Known::get().mutex; }

void note_mapped(std::byte* address, std::uint64_t bytes) {
  Known::get().ranges.push_back({address, address + bytes, false});
}

void note_unmapped(const std::byte* address, std::uint64_t bytes) noexcept {
  std::vector<Range>& ranges = Known::get().ranges;
  const std::byte* const end = address + bytes;
  for (Range& range : ranges) {
    if (range.lost || address < range.begin || address >= range.end) continue;
    if (address == range.begin) {
      range.begin = end < range.end ? end : range.end;
    } else {
      range.end = address;
    }
    break;
  }
  std::erase_if(ranges, [](const Range& range) { return range.begin == range.end; });
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
