// Where the codecs must not allocate: fixed-size messages, and whatever is refused. A program of
// its own, because it replaces operator new.
#include <atomic>
#include <cstdlib>
#include <new>

#include "unit/wire/support.hpp"
#include "wire/check.hpp"
#include "wire/descriptor.hpp"

namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::size_t> largest{0};

void* counted(std::size_t size) {
  allocations.fetch_add(1);
  std::size_t before = largest.load();
  while (before < size && !largest.compare_exchange_weak(before, size)) {
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace tensorpool::wire::test {
namespace {

template <class Call>
std::uint64_t allocations_of(Call call) {
  const std::uint64_t before = allocations.load();
  call();
  return allocations.load() - before;
}

TEST(Allocation, IsCounted) {
  EXPECT_GT(allocations_of([] { delete new int(3); }), 0U);
  EXPECT_GT(allocations_of([] { static_cast<void>(filled<ShmPoolAnnounce>(1)); }), 0U);
}

template <class M>
void expect_none() {
  SCOPED_TRACE(M::name);
  const auto message = filled<M>(1);
  Buffer bytes(encoded_size(message));
  bool good = true;
  EXPECT_EQ(allocations_of([&] {
              good = try_encode(message, bytes).has_value() && good;
              const auto back = try_decode<M>(bytes);
              good = back.has_value() && *back == message && good;
              good = !try_decode<M>(std::span(bytes).first(bytes.size() - 1)).has_value() && good;
              good = try_decode_any(bytes).has_value() && good;
            }),
            0U);
  EXPECT_TRUE(good);
}

TEST(Allocation, NeverHappensForFixedSizeMessages) {
  expect_none<FrameDescriptor>();
  expect_none<QosConsumer>();
  expect_none<QosProducer>();
  expect_none<MetaBlobAnnounce>();
  expect_none<FrameProgress>();
  expect_none<MetaBlobComplete>();
  expect_none<driver::ShmAttachRequest>();
  expect_none<driver::ShmDetachRequest>();
  expect_none<driver::ShmLeaseKeepalive>();
  expect_none<merge::SequenceMergeMapRequest>();
  expect_none<merge::TimestampMergeMapRequest>();

  Buffer bytes(64);
  bool good = true;
  EXPECT_EQ(allocations_of([&] {
              const DescriptorTemplate constant(1, 2);
              constant.encode(bytes.data(), 3, 4, 5, 6);
              FrameDescriptor back;
              good = decode_descriptor(bytes.data(), bytes.size(), back) && back.seq == 3;
            }),
            0U);
  EXPECT_TRUE(good);
}

template <class M>
class Refusal : public ::testing::Test {};
TYPED_TEST_SUITE(Refusal, AllMessages);

// Cut off anywhere, or with any byte changed: what is refused has allocated nothing.
// Proves: MSG-37, MSG-49
TYPED_TEST(Refusal, AllocatesNothing) {
  const Buffer good = encoded(filled<TypeParam>(2));
  Buffer bytes = good;
  std::uint64_t refused = 0;
  const auto expect_free = [&](std::span<const std::byte> input) {
    bool ok = false;
    const std::uint64_t count =
        allocations_of([&] { ok = try_decode<TypeParam>(input).has_value(); });
    if (ok) return;
    ++refused;
    EXPECT_EQ(count, 0U);
  };
  for (std::size_t length = 0; length < good.size(); ++length)
    expect_free(std::span(good).first(length));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int value : {0x00, 0x7F, 0xFF}) {
      bytes[at] = static_cast<std::byte>(value);
      expect_free(bytes);
    }
    bytes[at] = good[at];
  }
  EXPECT_GT(refused, good.size() / 2);
}

// A length or count that promises a lot makes no memory ready for it.
// Proves: MSG-37, MSG-49
TEST(Allocation, IsNeverMadeFromAPromise) {
  largest = 0;
  Buffer chunk = encoded(MetaBlobChunk{});
  put<std::uint32_t>(chunk, 24, 1U << 30U);
  EXPECT_FALSE(try_decode<MetaBlobChunk>(chunk).has_value());
  Buffer links = encoded(tracelink::TraceLinkSet{});
  put<std::uint16_t>(links, 38, 65534);
  EXPECT_FALSE(try_decode<tracelink::TraceLinkSet>(links).has_value());
  EXPECT_LT(largest.load(), 4096U);
}

// Proves: MSG-20
TEST(Allocation, NeverHappensInARefusedCheck) {
  auto announce = filled<ShmPoolAnnounce>(3);
  announce.header_slot_bytes = 1;
  driver::ShmAttachResponse attach = filled<driver::ShmAttachResponse>(4);
  attach.code = ResponseCode::ok;
  attach.lease_id.reset();
  const ConsumerHello hello{.descriptor_stream_id = 5};
  bool passed = false;
  EXPECT_EQ(allocations_of([&] {
              passed = try_check(announce).has_value() || try_check(attach).has_value() ||
                       try_check(hello).has_value();
            }),
            0U);
  EXPECT_FALSE(passed);
}

}  // namespace
}  // namespace tensorpool::wire::test
