// The other side of child.hpp: a program that is driven by lines on standard input.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>

namespace tensorpool::test {

// Answers a command.
inline void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

inline std::string pair(const char* name, std::uint64_t value) {
  return std::string(name) + "=" + std::to_string(value) + " ";
}

// The lines of standard input.
class Commands {
 public:
  // Waits for the next line no longer than `patience_ns`, less than a second; empty when there is none.
  // False at the end of the input.
  bool next(std::string& line, std::int64_t patience_ns) {
    line.clear();
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    const timespec until{0, patience_ns};
    if (buffer_.find('\n') == std::string::npos && ::ppoll(&wait, 1, &until, nullptr) > 0) {
      std::array<char, 256> bytes{};
      const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
      if (got <= 0) return false;
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    }
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
    }
    return true;
  }

 private:
  std::string buffer_;
};

}  // namespace tensorpool::test
