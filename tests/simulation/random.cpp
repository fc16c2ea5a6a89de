#include "simulation/random.hpp"

#include "base/prng.hpp"

namespace tensorpool {
namespace {

base::Prng& source() noexcept {
  static base::Prng prng(0);
  return prng;
}

}  // namespace

namespace base {

std::uint64_t random_seed() noexcept { return source().next(); }

std::uint32_t random_id() noexcept {
  for (;;) {
    const auto id = static_cast<std::uint32_t>(source().next());
    if (id != 0 && id != 0xFFFFFFFFU) return id;
  }
}

}  // namespace base

void simulation::seed_random(std::uint64_t seed) noexcept { source() = base::Prng(~seed); }

}  // namespace tensorpool
