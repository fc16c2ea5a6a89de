// Copies into and out of slots: every byte, and no other one.
#include "shm/copy.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tensorpool::shm {
namespace {

std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i * 31U + seed) >> (i % 3U));
  return bytes;
}

class CopyBytes : public ::testing::TestWithParam<CopyKind> {};

TEST_P(CopyBytes, CopiesAllAndTouchesNothingElse) {
  constexpr std::size_t margin = 96;
  for (const std::size_t size :
       {0U, 1U, 15U, 63U, 64U, 1023U, 1024U, 1025U, 1087U, 1088U, 4096U, 5000U, 70'001U}) {
    for (const std::size_t to_shift : {0U, 1U, 8U, 15U, 16U, 48U}) {
      for (const std::size_t from_shift : {0U, 1U, 16U, 63U}) {
        const std::vector<std::byte> source = pattern(size + from_shift, 7);
        std::vector<std::byte> target = pattern(size + to_shift + 2 * margin, 99);
        std::vector<std::byte> expected = target;
        std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(from_shift), size,
                    expected.begin() + static_cast<std::ptrdiff_t>(margin + to_shift));
        copy_bytes(target.data() + margin + to_shift, source.data() + from_shift, size, GetParam());
        ASSERT_TRUE(target == expected)
            << size << " bytes from +" << from_shift << " to +" << to_shift;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CopyBytes,
                         ::testing::Values(CopyKind::ordinary, CopyKind::streaming),
                         [](const auto& kind) {
                           return kind.param == CopyKind::ordinary ? "Ordinary" : "Streaming";
                         });

TEST(CopyKindOf, streams_frames_that_are_worth_it) {
  EXPECT_EQ(copy_kind(4096), CopyKind::ordinary);
  EXPECT_EQ(copy_kind(64U << 10U), CopyKind::streaming);
  EXPECT_EQ(copy_kind(8U << 20U), CopyKind::streaming);
}

}  // namespace
}  // namespace tensorpool::shm
