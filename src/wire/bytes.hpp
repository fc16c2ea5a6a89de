// Little-endian words at any alignment (MSG-1, MSG-5).
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tensorpool::wire {

// The same value with its bytes in the other order on a big-endian host.
template <std::integral T>
constexpr T little_endian(T value) noexcept {
  if constexpr (std::endian::native == std::endian::little || sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else {
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
}

// REQUIRES: sizeof(T) bytes at `from`.
template <std::integral T>
inline T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return little_endian(value);
}

// REQUIRES: sizeof(T) bytes at `to`.
template <std::integral T>
inline void store(std::byte* to, T value) noexcept {
  const T stored = little_endian(value);
  std::memcpy(to, &stored, sizeof(T));
}

}  // namespace tensorpool::wire
