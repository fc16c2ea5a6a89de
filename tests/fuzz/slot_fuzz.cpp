// A header slot of any bytes: what is a frame and what is dropped, against a second reading of the
// tables in docs/protocol/01-shared-memory.md that works on the raw bytes.
//
// Input: log2 of the slots, slot index, number of pools, per pool its id and (u16)
// stride / 64 - 1; then up to 256 bytes of the slot.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/assert.hpp"
#include "fuzz/input.hpp"
#include "shm/tensor_rules.hpp"

namespace {

using namespace tensorpool;

__extension__ using Wide = unsigned __int128;

using Slot = std::array<std::byte, shm::header_slot_bytes>;

template <class T>
T at(const Slot& slot, std::size_t offset) {
  T value;
  std::memcpy(&value, slot.data() + offset, sizeof(T));
  return value;
}

std::uint64_t element_bytes(std::int16_t dtype) {
  constexpr std::array<std::uint8_t, 15> sizes{0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 1, 0, 1, 1};
  return dtype < 0 || dtype > 14 ? 0 : sizes[static_cast<std::size_t>(dtype)];
}

// "Tensor header rules" on raw bytes, in 128 bits; false for a frame to be dropped.
bool tensor_good(const Slot& slot, std::array<Wide, 8>& strides, Wide& extent) {
  const std::uint64_t element = element_bytes(at<std::int16_t>(slot, 72));
  const auto order = at<std::int16_t>(slot, 74);
  const auto ndims = at<std::uint8_t>(slot, 76);
  if (element == 0 || (order != 1 && order != 2) || ndims < 1 || ndims > 8) return false;
  Wide need = element;
  bool any_zero = false;
  for (std::size_t step = 0; step < ndims; ++step) {
    const std::size_t i = order == 1 ? ndims - 1U - step : step;
    const auto dim = at<std::int32_t>(slot, 83 + 4 * i);
    const auto stride = at<std::int32_t>(slot, 115 + 4 * i);
    if (dim < 0 || stride < 0) return false;
    if (need > INT64_MAX || (stride != 0 && static_cast<Wide>(stride) < need)) return false;
    strides[i] = stride == 0 ? need : static_cast<Wide>(stride);
    need = strides[i] * static_cast<Wide>(dim == 0 ? 1 : dim);
    any_zero = any_zero || dim == 0;
  }
  extent = element;
  for (std::size_t i = 0; i < ndims; ++i)
    extent += any_zero ? 0 : static_cast<Wide>(at<std::int32_t>(slot, 83 + 4 * i) - 1) * strides[i];
  if (any_zero) extent = 0;
  if (extent > UINT64_MAX) return false;
  const auto unit = at<std::uint8_t>(slot, 78);
  const auto progress = at<std::uint32_t>(slot, 79);
  if (unit == 0) return true;
  if (unit > 2 || progress == 0 || (unit == 2 && ndims < 2)) return false;
  return strides[unit - 1U] == progress;
}

// "Header slot layout" and "Payload pools and slot mapping".
bool slot_good(const Slot& slot, std::span<const shm::PoolSpec> pools, std::uint32_t index) {
  if (at<std::uint32_t>(slot, 60) != 192 || at<std::uint16_t>(slot, 64) != 184 ||
      at<std::uint16_t>(slot, 66) != 52 || at<std::uint16_t>(slot, 68) != 900 ||
      at<std::uint16_t>(slot, 70) != 1) {
    return false;
  }
  if (at<std::uint32_t>(slot, 12) != index || at<std::uint32_t>(slot, 18) != 0) return false;
  for (const shm::PoolSpec& pool : pools) {
    if (pool.pool_id == at<std::uint16_t>(slot, 16))
      return at<std::uint32_t>(slot, 8) <= pool.stride_bytes;
  }
  return false;
}

std::vector<shm::PoolSpec> take_pools(fuzz::Input& input) {
  std::vector<shm::PoolSpec> pools;
  const std::size_t count = 1U + input.take<std::uint8_t>() % 3U;
  while (pools.size() < count) {
    std::uint16_t id = input.take<std::uint8_t>();
    while (std::ranges::count(pools, id, &shm::PoolSpec::pool_id) != 0) ++id;
    pools.push_back({id, 64U * (1U + input.take<std::uint16_t>())});
  }
  return pools;
}

// Everything but commit word and pads survives parse() and build().
void check_image(const Slot& slot, const shm::SlotFields& fields) {
  shm::HeaderImage built;
  shm::build(built, fields);
  const auto same = [&](std::size_t first, std::size_t end) {
    return std::memcmp(slot.data() + first, built.bytes() + first, end - first) == 0;
  };
  TP_ASSERT(same(8, 34) && same(60, 77) && same(78, 147));
}

}  // namespace

// Proves: SHM-39, SHM-59, SHM-62, SHM-63, SHM-206, SHM-207
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint32_t nslots = 1U << input.take<std::uint8_t>() % 7U;
  const std::uint32_t index = input.take<std::uint8_t>() % nslots;
  const std::vector<shm::PoolSpec> pools = take_pools(input);
  const shm::RingGeometry ring(nslots, pools);
  Slot slot{};
  const auto bytes = input.take_bytes(slot.size());
  std::copy(bytes.begin(), bytes.end(), slot.begin());

  shm::HeaderImage image;
  std::memcpy(image.words.data(), slot.data(), slot.size());
  const shm::SlotFields fields = shm::parse(image);
  check_image(slot, fields);

  shm::ValidSlot valid;
  const bool taken = shm::validate(fields, ring, index, valid) == shm::SlotFault::none;
  std::array<Wide, 8> strides{};
  Wide extent = 0;
  const bool good = slot_good(slot, pools, index) && tensor_good(slot, strides, extent);
  TP_ASSERT(taken == good);
  if (!taken) return 0;
  TP_ASSERT(valid.pool->pool_id == fields.pool_id);
  TP_ASSERT(fields.values_len_bytes <= valid.pool->stride_bytes);
  TP_ASSERT(valid.strides.extent_bytes == extent);
  for (std::size_t i = 0; i < strides.size(); ++i)
    TP_ASSERT(valid.strides.bytes[i] == (i < fields.ndims ? strides[i] : 0));
  return 0;
}
