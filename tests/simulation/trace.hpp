// What happened, line by line. Always hashed, so that two runs can be compared; printed on request.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <utility>

namespace tensorpool::simulation {

class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}

  template <class... Args>
  void line(std::int64_t at_ns, fmt::format_string<Args...> format, Args&&... args) {
    buffer_.clear();
    fmt::format_to(std::back_inserter(buffer_), "{:>13} ", at_ns);
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<Args>(args)...);
    buffer_.push_back('\n');
    for (const char c : buffer_) {  // FNV-1a
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 0x100000001B3U;
    }
    ++lines_;
    if (print_) (void)std::fwrite(buffer_.data(), 1, buffer_.size(), stdout);
  }
  std::uint64_t hash() const noexcept { return hash_; }
  std::uint64_t lines() const noexcept { return lines_; }

 private:
  bool print_;
  std::uint64_t hash_ = 0xCBF29CE484222325U;
  std::uint64_t lines_ = 0;
  fmt::memory_buffer buffer_;
};

}  // namespace tensorpool::simulation
