#include "tp_driver/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace tensorpool::driver_program {

bool print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return std::fflush(stdout) == 0 && written;
}

void complain(std::string_view text) {
  std::fflush(stdout);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::fprintf(stderr, "tp_driver: %s\n", printable(text.substr(at, end - at)).c_str());
    at = end + 1;
  }
}

void complain(const Error& error) {
  // The failing call means nothing to whoever wrote the configuration.
  const std::string message = error.message();
  const std::string prefix = fmt::format("{}: {}: ", error.call(), name(error.code()));
  complain(std::string_view(message).substr(message.starts_with(prefix) ? prefix.size() : 0));
}

std::string printable(std::string_view text) {
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F steer terminals too.
    const bool steers = byte == 0xC2 && i + 1 < text.size() &&
                        static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                        static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || steers) {
      line += fmt::format("\\x{:02x}", steers ? static_cast<unsigned char>(text[++i]) : byte);
    } else {
      line += text[i];
    }
  }
  return line;
}

}  // namespace tensorpool::driver_program
