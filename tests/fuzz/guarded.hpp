// Memory that ends where an inaccessible page begins: reading one byte too far stops the process in
// every build, not only under a sanitizer.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.hpp"

namespace tensorpool::fuzz {

class Guarded {
 public:
  explicit Guarded(std::size_t capacity) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    capacity_ = (capacity + page - 1) / page * page;
    void* base = ::mmap(nullptr, capacity_ + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TP_ASSERT(base != MAP_FAILED);
    base_ = static_cast<std::byte*>(base);
    TP_ASSERT(::mprotect(base_ + capacity_, page, PROT_NONE) == 0);
    mapped_ = capacity_ + page;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { ::munmap(base_, mapped_); }

  std::size_t capacity() const noexcept { return capacity_; }

  // The last `size` bytes before the guard; what an earlier call gave is gone.
  std::span<std::byte> last(std::size_t size) noexcept {
    TP_ASSERT(size <= capacity_);
    return {base_ + (capacity_ - size), size};
  }
  // A copy of `bytes` there.
  std::span<const std::byte> copy(std::span<const std::byte> bytes) noexcept {
    const std::span<std::byte> to = last(bytes.size());
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
    return to;
  }

 private:
  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t mapped_ = 0;
};

}  // namespace tensorpool::fuzz
