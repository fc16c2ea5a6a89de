// Directories, streams and hex dumps for the tests of the shared-memory layer.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/posix_file_system.hpp"
#include "shm/region.hpp"
#include "support/folder.hpp"

namespace tensorpool::shm::test {

inline constexpr std::uint64_t now_ns = 1'000'000'000'000;

using TempDir = tensorpool::test::Folder;

// Bytes from a hex dump: pairs of digits, with anything but hex digits between them.
inline std::vector<std::byte> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (digit(text[i]) < 0) continue;
    bytes.push_back(static_cast<std::byte>(digit(text[i]) * 16 + digit(text.at(i + 1))));
    ++i;
  }
  return bytes;
}

// A small stream: 4 slots, one pool of 4096 and one of 64 bytes.
inline StreamLayout small_layout(std::uint64_t epoch = 0) {
  StreamLayout layout;
  layout.stream_id = 10000;
  layout.epoch = epoch;
  layout.nslots = 4;
  layout.pools = {{1, 4096}, {2, 64}};
  return layout;
}

inline CreateOptions options_in(const TempDir& directory) {
  CreateOptions options;
  options.base_dir = directory.path();
  return options;
}

// The policy of a reader that allows `directory` alone.
inline MapPolicy policy_for(base::FileSystem& file_system, const std::string& directory) {
  MapPolicy::Settings settings;
  settings.allowed_base_dirs = {directory};
  auto policy = MapPolicy::make(file_system, settings);
  EXPECT_TRUE(policy.has_value()) << (policy ? "" : policy.error().message());
  return policy ? *policy : MapPolicy();
}

// What a Result says about itself when it is not what a test wanted.
template <class T>
std::string text_of(const Result<T>& result) {
  return result ? std::string("a value") : result.error().message();
}

}  // namespace tensorpool::shm::test

// The result is an error with this code.
#define TP_EXPECT_CODE(result, expected)                                            \
  do {                                                                              \
    const auto& tp_result = (result);                                               \
    ASSERT_FALSE(tp_result.has_value());                                            \
    EXPECT_EQ(tp_result.error().code(), (expected)) << tp_result.error().message(); \
  } while (false)

// The result is a value; gives up on the test otherwise.
#define TP_ASSERT_OK(result) \
  ASSERT_TRUE((result).has_value()) << ::tensorpool::shm::test::text_of(result)
