// Region URIs against the grammar of "Region URI" in docs/protocol/01-shared-memory.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/assert.hpp"
#include "shm/uri.hpp"

namespace {

using namespace tensorpool;

// Nothing for a text outside the grammar. No path character is "|", so the end can be cut off first.
std::optional<shm::RegionUri> by_grammar(std::string_view text) {
  constexpr std::string_view start = "shm:file?path=";
  constexpr std::string_view with = "|require_hugepages=true";
  constexpr std::string_view without = "|require_hugepages=false";
  if (!text.starts_with(start)) return std::nullopt;
  text.remove_prefix(start.size());
  const bool hugepages = text.ends_with(with);
  if (hugepages) {
    text.remove_suffix(with.size());
  } else if (text.ends_with(without)) {
    text.remove_suffix(without.size());
  }
  const bool good = text.size() >= 2 && text.size() <= 4095 && text.front() == '/' &&
                    std::ranges::all_of(text, [](char c) {
                      return c >= 0x21 && c <= 0x7E && c != '?' && c != '|';
                    });
  if (!good) return std::nullopt;
  return shm::RegionUri{std::string(text), hugepages};
}

}  // namespace

// Proves: SHM-92, SHM-97, SHM-98, SHM-102, SHM-103, SHM-104
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  const auto expected = by_grammar(text);
  const auto uri = shm::parse_uri(text);
  TP_ASSERT(uri.has_value() == expected.has_value());
  if (!uri) {
    TP_ASSERT(uri.error().code() == Code::invalid_uri);
    // Fit for a terminal, whatever came in.
    TP_ASSERT(
        std::ranges::all_of(uri.error().message(), [](char c) { return c >= 0x20 && c <= 0x7E; }));
    return 0;
  }
  TP_ASSERT(*uri == *expected);
  const auto formatted = shm::format_uri(*uri);
  if (formatted) {
    TP_ASSERT(shm::parse_uri(*formatted) == *uri);
  } else {
    TP_ASSERT(formatted.error().code() == Code::limit_exceeded);
  }
  return 0;
}
