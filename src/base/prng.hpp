// A small seeded generator for ids, tests and the simulator: the same seed gives the same numbers
// on every machine. Not for secrets.
#pragma once

#include <cstdint>

namespace tensorpool::base {

// SplitMix64 (public domain algorithm by Sebastiano Vigna).
class Prng {
 public:
  explicit constexpr Prng(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  // 0 … bound - 1; 0 for a bound of 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    return bound == 0 ? 0 : next() % bound;
  }
  // True with a probability of `per_million` / 1,000,000.
  constexpr bool chance(std::uint32_t per_million) noexcept {
    return below(1'000'000) < per_million;
  }

 private:
  std::uint64_t state_;
};

// A seed from the system, different in every process and call.
std::uint64_t random_seed() noexcept;

// A random id that is neither 0 nor 0xFFFFFFFF (STR-228).
std::uint32_t random_id() noexcept;

}  // namespace tensorpool::base
