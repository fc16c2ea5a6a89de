// The memory layouts of schema 900 in the generated codecs against the tables and examples of
// docs/protocol/01-shared-memory.md and 02-messages.md; and every enum against its registry.
#include <cstring>

#include "shm_tensorpool_bridge/Bool.h"
#include "shm_tensorpool_control/ClockDomain.h"
#include "shm_tensorpool_control/Dtype.h"
#include "shm_tensorpool_control/FrameProgressState.h"
#include "shm_tensorpool_control/MajorOrder.h"
#include "shm_tensorpool_control/Mode.h"
#include "shm_tensorpool_control/ProgressUnit.h"
#include "shm_tensorpool_control/ResponseCode.h"
#include "shm_tensorpool_control/ShmRegionSuperblock.h"
#include "shm_tensorpool_control/SlotHeader.h"
#include "shm_tensorpool_control/TensorHeader.h"
#include "shm_tensorpool_discovery/DiscoveryStatus.h"
#include "shm_tensorpool_driver/HugepagesPolicy.h"
#include "shm_tensorpool_driver/LeaseRevokeReason.h"
#include "shm_tensorpool_driver/PublishMode.h"
#include "shm_tensorpool_driver/ResponseCode.h"
#include "shm_tensorpool_driver/Role.h"
#include "shm_tensorpool_driver/ShutdownReason.h"
#include "shm_tensorpool_merge/ClockDomain.h"
#include "shm_tensorpool_merge/MergeRuleType.h"
#include "shm_tensorpool_merge/MergeTimeRuleType.h"
#include "shm_tensorpool_merge/TimestampSource.h"
#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

namespace control = ::shm_tensorpool_control;

// Proves: MSG-4, MSG-7
TEST(Layouts, Superblock) {
  using S = control::ShmRegionSuperblock;
  EXPECT_EQ(S::sbeTemplateId(), 50);
  EXPECT_EQ(S::sbeBlockLength(), 64);
  EXPECT_EQ(S::magicEncodingOffset(), 0U);
  EXPECT_EQ(S::layoutVersionEncodingOffset(), 8U);
  EXPECT_EQ(S::epochEncodingOffset(), 12U);
  EXPECT_EQ(S::streamIdEncodingOffset(), 20U);
  EXPECT_EQ(S::regionTypeEncodingOffset(), 24U);
  EXPECT_EQ(S::poolIdEncodingOffset(), 26U);
  EXPECT_EQ(S::nslotsEncodingOffset(), 28U);
  EXPECT_EQ(S::slotBytesEncodingOffset(), 32U);
  EXPECT_EQ(S::strideBytesEncodingOffset(), 36U);
  EXPECT_EQ(S::pidEncodingOffset(), 40U);
  EXPECT_EQ(S::startTimestampNsEncodingOffset(), 48U);
  EXPECT_EQ(S::activityTimestampNsEncodingOffset(), 56U);

  Buffer bytes = from_hex(
      "31 4d 48 53 4c 50 4f 54 01 00 00 00 01 00 00 00"
      "00 00 00 00 10 27 00 00 02 00 01 00 40 00 00 00"
      "00 00 10 00 00 00 10 00 92 10 00 00 00 00 00 00"
      "00 ca 9a 3b 00 00 00 00 00 94 35 77 00 00 00 00");
  S pool(reinterpret_cast<char*>(bytes.data()), bytes.size());
  EXPECT_EQ(pool.streamId(), 10000U);
  EXPECT_EQ(pool.regionType(), control::RegionType::PAYLOAD_POOL);
  EXPECT_EQ(pool.poolId(), 1U);
  EXPECT_EQ(pool.nslots(), 64U);
  EXPECT_EQ(pool.strideBytes(), 1048576U);
  EXPECT_EQ(pool.pid(), 4242U);
  EXPECT_EQ(pool.activityTimestampNs(), 2'000'000'000U);
}

// Proves: MSG-4, MSG-7, MSG-24
TEST(Layouts, SlotAndTensorHeader) {
  using S = control::SlotHeader;
  EXPECT_EQ(S::sbeTemplateId(), 51);
  EXPECT_EQ(S::sbeBlockLength(), 60);
  EXPECT_EQ(S::seqCommitEncodingOffset(), 0U);
  EXPECT_EQ(S::valuesLenBytesEncodingOffset(), 8U);
  EXPECT_EQ(S::payloadSlotEncodingOffset(), 12U);
  EXPECT_EQ(S::poolIdEncodingOffset(), 16U);
  EXPECT_EQ(S::payloadOffsetEncodingOffset(), 18U);
  EXPECT_EQ(S::timestampNsEncodingOffset(), 22U);
  EXPECT_EQ(S::metaVersionEncodingOffset(), 30U);
  EXPECT_EQ(S::padEncodingOffset(), 34U);
  EXPECT_EQ(S::padEncodingLength(), 1U);
  using T = control::TensorHeader;
  EXPECT_EQ(T::dtypeEncodingOffset(), 0U);
  EXPECT_EQ(T::majorOrderEncodingOffset(), 2U);
  EXPECT_EQ(T::ndimsEncodingOffset(), 4U);
  EXPECT_EQ(T::maxDimsEncodingLength(), 0U);
  EXPECT_EQ(T::maxDims(), 8U);
  EXPECT_EQ(T::padAlignEncodingOffset(), 5U);
  EXPECT_EQ(T::progressUnitEncodingOffset(), 6U);
  EXPECT_EQ(T::progressStrideBytesEncodingOffset(), 7U);
  EXPECT_EQ(T::progressStrideBytesMinValue(), 1U);
  EXPECT_EQ(T::dimsEncodingOffset(), 11U);
  EXPECT_EQ(T::dimsLength(), 8U);
  EXPECT_EQ(T::stridesEncodingOffset(), 43U);
  EXPECT_EQ(T::padEncodingOffset(), 75U);
  EXPECT_EQ(T::padEncodingLength(), 1U);
  // The embedded header that readers compare with: 184, 52, 900, 1.
  EXPECT_EQ(T::sbeBlockLength(), 184);
  EXPECT_EQ(T::sbeTemplateId(), 52);
  EXPECT_EQ(T::sbeSchemaId(), 900);
  EXPECT_EQ(T::sbeSchemaVersion(), 1);

  Buffer slot = from_hex(
      "55 00 00 00 00 00 00 00 00 60 09 00 2a 00 00 00"
      "01 00 00 00 00 00 00 2f 68 59 00 00 00 00 03 00"
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
      "00 00 00 00 00 00 00 00 00 00 00 00 c0 00 00 00"
      "b8 00 34 00 84 03 01 00 03 00 01 00 02 00 01 00"
      "05 00 00 e0 01 00 00 80 02 00 00 00 00 00 00 00"
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
      "00 00 00 00 05 00 00 02 00 00 00 00 00 00 00 00");
  slot.resize(256);
  S header(reinterpret_cast<char*>(slot.data()), slot.size());
  EXPECT_EQ(header.seqCommit(), 0x55U);
  EXPECT_EQ(header.valuesLenBytes(), 614400U);
  EXPECT_EQ(header.payloadSlot(), 42U);
  EXPECT_EQ(header.timestampNs(), 1'500'000'000U);
  const std::string_view embedded = header.getHeaderBytesAsStringView();
  EXPECT_EQ(embedded.size(), 192U);
  EXPECT_EQ(embedded.data() + embedded.size(), reinterpret_cast<char*>(slot.data() + 256));
  T tensor(reinterpret_cast<char*>(slot.data()) + 64, 8, 192, 184, 1);
  EXPECT_EQ(tensor.dtype(), control::Dtype::UINT16);
  EXPECT_EQ(tensor.majorOrder(), control::MajorOrder::ROW);
  EXPECT_EQ(tensor.ndims(), 2);
  EXPECT_EQ(tensor.progressStrideBytes(), 1280U);
  EXPECT_EQ(tensor.dims(0), 480);
  EXPECT_EQ(tensor.dims(1), 640);
  EXPECT_EQ(tensor.strides(0), 1280);
  EXPECT_EQ(tensor.strides(1), 2);
}

// Whether E lists exactly the values of the generated enum, with the same names.
template <class E, class Generated>
void expect_registry() {
  using Raw = std::underlying_type_t<E>;
  for (std::int64_t value = -1; value < 300; ++value) {
    if (value >= std::numeric_limits<Raw>::max()) break;
    const auto ours = static_cast<E>(value);
    try {
      const auto theirs = Generated::get(static_cast<Raw>(value));
      if (theirs == Generated::NULL_VALUE) {
        EXPECT_FALSE(listed(ours)) << value;
      } else {
        EXPECT_EQ(protocol_name(ours), Generated::c_str(theirs)) << value;
      }
    } catch (const std::runtime_error&) {
      EXPECT_FALSE(listed(ours)) << value;
    }
  }
}

// Proves: MSG-18, MSG-19, MSG-28, MSG-58
TEST(Layouts, EnumsHaveTheRegistriesOfTheSchemas) {
  expect_registry<Mode, control::Mode>();
  expect_registry<FrameProgressState, control::FrameProgressState>();
  expect_registry<ResponseCode, control::ResponseCode>();
  expect_registry<ResponseCode, ::shm_tensorpool_driver::ResponseCode>();
  expect_registry<ClockDomain, control::ClockDomain>();
  expect_registry<ClockDomain, ::shm_tensorpool_merge::ClockDomain>();
  expect_registry<driver::HugepagesPolicy, ::shm_tensorpool_driver::HugepagesPolicy>();
  expect_registry<driver::Role, ::shm_tensorpool_driver::Role>();
  expect_registry<driver::PublishMode, ::shm_tensorpool_driver::PublishMode>();
  expect_registry<driver::LeaseRevokeReason, ::shm_tensorpool_driver::LeaseRevokeReason>();
  expect_registry<driver::ShutdownReason, ::shm_tensorpool_driver::ShutdownReason>();
  expect_registry<merge::TimestampSource, ::shm_tensorpool_merge::TimestampSource>();
  expect_registry<merge::RuleType, ::shm_tensorpool_merge::MergeRuleType>();
  expect_registry<merge::TimeRuleType, ::shm_tensorpool_merge::MergeTimeRuleType>();
  expect_registry<discovery::Status, ::shm_tensorpool_discovery::DiscoveryStatus>();
}

TEST(Layouts, PublicEnumsHaveTheNumbersOfTheSchema) {
  EXPECT_EQ(static_cast<int>(DType::u8), control::Dtype::UINT8);
  EXPECT_EQ(static_cast<int>(DType::i8), control::Dtype::INT8);
  EXPECT_EQ(static_cast<int>(DType::u16), control::Dtype::UINT16);
  EXPECT_EQ(static_cast<int>(DType::i16), control::Dtype::INT16);
  EXPECT_EQ(static_cast<int>(DType::u32), control::Dtype::UINT32);
  EXPECT_EQ(static_cast<int>(DType::i32), control::Dtype::INT32);
  EXPECT_EQ(static_cast<int>(DType::u64), control::Dtype::UINT64);
  EXPECT_EQ(static_cast<int>(DType::i64), control::Dtype::INT64);
  EXPECT_EQ(static_cast<int>(DType::f32), control::Dtype::FLOAT32);
  EXPECT_EQ(static_cast<int>(DType::f64), control::Dtype::FLOAT64);
  EXPECT_EQ(static_cast<int>(DType::boolean), control::Dtype::BOOLEAN);
  EXPECT_EQ(static_cast<int>(DType::bytes), control::Dtype::BYTES);
  EXPECT_EQ(static_cast<int>(DType::bit), control::Dtype::BIT);
  EXPECT_EQ(static_cast<int>(MajorOrder::row), control::MajorOrder::ROW);
  EXPECT_EQ(static_cast<int>(MajorOrder::column), control::MajorOrder::COLUMN);
  EXPECT_EQ(static_cast<int>(ProgressUnit::none), control::ProgressUnit::NONE);
  EXPECT_EQ(static_cast<int>(ProgressUnit::rows), control::ProgressUnit::ROWS);
  EXPECT_EQ(static_cast<int>(ProgressUnit::columns), control::ProgressUnit::COLUMNS);
}

}  // namespace
}  // namespace tensorpool::wire::test
