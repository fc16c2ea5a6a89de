// Takes the place of the system's randomness: the library's random ids and seeds come from the seed of the run, so
// that driver mode repeats itself to the byte as well. random.cpp defines base::random_seed() and
// base::random_id(); a program that links it before tensorpool_base never sees the library's own.
#pragma once

#include <cstdint>

namespace tensorpool::simulation {

void seed_random(std::uint64_t seed) noexcept;

}  // namespace tensorpool::simulation
