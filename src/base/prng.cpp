#include "base/prng.hpp"

#include <random>

namespace tensorpool::base {

std::uint64_t random_seed() noexcept {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

std::uint32_t random_id() noexcept {
  Prng prng(random_seed());
  for (;;) {
    const auto id = static_cast<std::uint32_t>(prng.next());
    if (id != 0 && id != 0xFFFFFFFFU) return id;
  }
}

}  // namespace tensorpool::base
