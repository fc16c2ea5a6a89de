// What becomes of this library in a forked child (fork without exec): one pthread_atfork handler, the
// only thing here that is static. Threads, locks and shared mappings of the parent are not the
// child's; the handler makes its copy of them harmless before fork() returns there, with memory
// accesses and system calls only:
// - every range that was mapped here, which the child does not inherit (MADV_DONTFORK), becomes an
//   inaccessible one, so that no later allocation of the child lies where the parent's frames were;
// - every InChild is told.
// A child may make clients of its own, and fork again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace tensorpool::base {

// Held across every fork, so that the child never finds it taken: for cold paths that change what the
// handler works on, or that must be whole in the child. Not recursive.
std::mutex& fork_mutex() noexcept;

// The mapped ranges. REQUIRES fork_mutex(), from before a range is mapped until it is noted, and
// likewise for its end: a child in between would share it.
void note_mapped(std::byte* address, std::uint64_t bytes);
// A part of a noted range, which begins or ends where it does.
void note_unmapped(const std::byte* address, std::uint64_t bytes) noexcept;

namespace detail {
extern constinit std::atomic<bool> in_forked_child;
bool in_lost_range(const void* address) noexcept;
}  // namespace detail

// Whether `address` lies in memory that an ancestor of this process had mapped: then it is not to be
// touched. One predictable branch in a process that was not forked by a user of this library.
inline bool lost_by_fork(const void* address) noexcept {
  if (!detail::in_forked_child.load(std::memory_order_relaxed)) [[likely]]
    return false;
  return detail::in_lost_range(address);
}
inline bool in_forked_child() noexcept {
  return detail::in_forked_child.load(std::memory_order_relaxed);
}

// Something that a forked child must not go on using. Told in the child, in its only thread.
class InChild {
 public:
  InChild(const InChild&) = delete;
  InChild& operator=(const InChild&) = delete;
  // Memory accesses only: whatever other threads of the parent held is held for ever. Not pure: another
  // thread may fork while this is half made or, waiting for the mutex, half gone, and then nobody in the child
  // has it.
  virtual void on_forked() noexcept {}

  InChild* next = nullptr;  // the handler's own
  InChild* previous = nullptr;

 protected:
  InChild();
  ~InChild();
};

}  // namespace tensorpool::base
