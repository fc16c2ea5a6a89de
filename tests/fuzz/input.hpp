// Takes values from the front of a fuzzer's input; once it is used up, zeros.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tensorpool::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) noexcept
      : bytes_(std::as_bytes(std::span(data, size))) {}

  bool empty() const noexcept { return bytes_.empty(); }

  template <std::unsigned_integral T>
  T take() noexcept {
    T value = 0;
    const auto part = take_bytes(sizeof(T));
    if (!part.empty()) std::memcpy(&value, part.data(), part.size());
    return value;
  }
  // At most `size` bytes.
  std::span<const std::byte> take_bytes(std::size_t size) noexcept {
    const auto part = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(part.size());
    return part;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace tensorpool::fuzz
