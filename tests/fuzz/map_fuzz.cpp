// Region files of any bytes and lengths behind any description: what is mapped is what the
// description says and lies inside the files; everything else is refused and leaves nothing mapped.
//
// Input: the description (slots, pools), then per region how far its length is off, flags, and
// patches of single bytes of a file that would be right without them; last, patches of the mapped
// memory.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <set>

#include "base/assert.hpp"
#include "fuzz/input.hpp"
#include "shm/map.hpp"
#include "sim/memory_file_system.hpp"

namespace {

using namespace tensorpool;

constexpr std::uint32_t stream_id = 10000;
constexpr std::uint64_t epoch = 0x0102030405060708;
constexpr std::size_t file_limit_bytes = std::size_t{1} << 16U;

struct Content {
  std::vector<std::byte> bytes;
  bool hugetlbfs = false;
  std::uint32_t mode = 0600;
};

std::string path_of(std::size_t region) { return "/r/" + std::to_string(region); }

template <class T>
T at(const std::byte* region, std::size_t offset) {
  T value;
  std::memcpy(&value, region + offset, sizeof(T));
  return value;
}

shm::StreamRegions take_description(fuzz::Input& input) {
  shm::StreamRegions description;
  shm::StreamLayout& layout = description.layout;
  layout.stream_id = stream_id;
  layout.epoch = epoch;
  const auto slots = input.take<std::uint8_t>();
  layout.nslots = slots < 0xF0 ? 1U << slots % 6U : input.take<std::uint32_t>();
  const std::size_t pools = 1U + input.take<std::uint8_t>() % 3U;
  description.header_uri = "shm:file?path=/r/0";
  while (layout.pools.size() < pools) {
    shm::PoolSpec pool;
    pool.pool_id = input.take<std::uint8_t>();
    const auto stride = input.take<std::uint8_t>();
    pool.stride_bytes = stride < 0xF0 ? 64U * (1U + stride % 16U) : input.take<std::uint32_t>();
    const auto nslots = input.take<std::uint8_t>();
    if (nslots % 2 != 0) pool.nslots = nslots < 0xF0 ? layout.nslots : nslots;
    layout.pools.push_back(pool);
    description.pool_uris.push_back("shm:file?path=/r/" + std::to_string(layout.pools.size()));
  }
  return description;
}

// The size formulas, in 64 bits.
std::uint64_t formula(const shm::StreamLayout& layout, std::size_t region) {
  const std::uint64_t slot = region == 0 ? 256U : layout.pools[region - 1].stride_bytes;
  return 64 + std::uint64_t{layout.nslots} * slot;
}

// A right region, off by what the input says.
void take_file(fuzz::Input& input, const shm::StreamLayout& layout, std::size_t region,
               std::string& uri, Content& file) {
  shm::Superblock block{.epoch = epoch, .stream_id = stream_id, .nslots = layout.nslots};
  block.slot_bytes = 256;
  block.pid = 7;
  block.activity_timestamp_ns = 1000 + region;
  if (region != 0) {
    const shm::PoolSpec& pool = layout.pools[region - 1];
    block.region_type = shm::RegionType::payload_pool;
    block.pool_id = pool.pool_id;
    block.slot_bytes = block.stride_bytes = pool.stride_bytes;
  }
  const auto flags = input.take<std::uint8_t>();
  file.hugetlbfs = (flags & 1U) != 0;
  if ((flags & 2U) != 0) uri += "|require_hugepages=true";
  if ((flags & 0x0CU) == 0x0CU) file.mode = 0666;
  if ((flags & 0x30U) == 0x30U) uri = "shm:file?path=/r/9";
  const std::uint64_t wanted = formula(layout, region);
  const std::uint64_t rounded = file.hugetlbfs ? (wanted + 4095) / 4096 * 4096 : wanted;
  const auto off = static_cast<std::int8_t>(input.take<std::uint8_t>());
  const auto length = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::min<std::uint64_t>(rounded, 1U << 20U)) + off, 0,
      static_cast<std::int64_t>(file_limit_bytes));
  file.bytes.assign(static_cast<std::size_t>(length), std::byte{0});
  std::array<std::byte, 64> bytes{};
  shm::encode(block, bytes);
  std::copy_n(bytes.begin(), std::min(bytes.size(), file.bytes.size()), file.bytes.begin());
  for (unsigned patches = input.take<std::uint8_t>() % 4U; patches > 0; --patches) {
    const auto offset = input.take<std::uint8_t>();
    const auto value = static_cast<std::byte>(input.take<std::uint8_t>());
    if (offset < file.bytes.size()) file.bytes[offset] = value;
  }
}

bool layout_good(const shm::StreamLayout& layout) {
  std::set<std::uint16_t> ids;
  for (const shm::PoolSpec& pool : layout.pools) {
    if (pool.stride_bytes == 0 || pool.stride_bytes % 64 != 0) return false;  // SHM-11
    if (pool.nslots && *pool.nslots != layout.nslots) return false;           // SHM-9
    ids.insert(pool.pool_id);
  }
  const bool power = layout.nslots != 0 && (layout.nslots & (layout.nslots - 1)) == 0;  // SHM-8
  return power && ids.size() == layout.pools.size();                                    // SHM-10
}

// The table of "Mapping and superblock validation", on raw bytes.
bool superblock_good(const std::byte* region, const shm::StreamLayout& layout, std::size_t number) {
  if (at<std::uint64_t>(region, 0) != 0x544F504C53484D31U || at<std::uint32_t>(region, 8) != 1 ||
      at<std::uint64_t>(region, 12) != epoch || at<std::uint32_t>(region, 20) != stream_id ||
      at<std::uint32_t>(region, 28) != layout.nslots) {
    return false;
  }
  const auto slot_bytes = at<std::uint32_t>(region, 32);
  if (number == 0) {
    return at<std::int16_t>(region, 24) == 1 && at<std::uint16_t>(region, 26) == 0 &&
           slot_bytes == 256;
  }
  const shm::PoolSpec& pool = layout.pools[number - 1];
  return at<std::int16_t>(region, 24) == 2 && at<std::uint16_t>(region, 26) == pool.pool_id &&
         (slot_bytes == pool.stride_bytes || slot_bytes == 0xFFFFFFFFU) &&
         at<std::uint32_t>(region, 36) == pool.stride_bytes;
}

bool region_good(const Content& file, const std::string& uri, const shm::StreamLayout& layout,
                 std::size_t number) {
  std::uint64_t wanted = formula(layout, number);
  if (file.hugetlbfs) wanted = (wanted + 4095) / 4096 * 4096;
  return uri.find("/r/9") == std::string::npos && (file.mode & 7U) == 0 &&
         (file.hugetlbfs || uri.find('|') == std::string::npos) && file.bytes.size() >= wanted &&
         superblock_good(file.bytes.data(), layout, number);
}

// Every byte that the description promises can be read, and nothing lies elsewhere.
void check_mapped(const shm::MappedStream& stream) {
  const shm::StreamLayout& layout = stream.layout;
  unsigned sum = 0;
  for (std::size_t number = 0; number <= layout.pools.size(); ++number) {
    const shm::Mapping& region = number == 0 ? stream.header : stream.pools[number - 1];
    TP_ASSERT(region.bytes() >= formula(layout, number) && !region.writable());
    sum = std::accumulate(region.base(), region.base() + region.bytes(), sum,
                          [](unsigned a, std::byte b) { return a + static_cast<unsigned>(b); });
  }
  for (std::uint32_t i = 0; i < layout.nslots; ++i) {
    const auto* slot =
        static_cast<const std::byte*>(static_cast<const void*>(stream.slot(i).words));
    TP_ASSERT(slot == stream.header.base() + 64 + std::size_t{i} * 256);
    for (std::size_t pool = 0; pool < layout.pools.size(); ++pool) {
      const std::size_t stride = layout.pools[pool].stride_bytes;
      TP_ASSERT(stream.payload(pool, i) == stream.pools[pool].base() + 64 + i * stride);
    }
  }
  volatile unsigned keep = sum;
  static_cast<void>(keep);
}

// Regions change under a reader: recheck() and the activity say what the bytes say now.
void check_changed(sim::MemoryDisk& disk, shm::MappedStream& stream, fuzz::Input& input) {
  for (unsigned patches = input.take<std::uint8_t>() % 4U; patches > 0; --patches) {
    const std::size_t number = input.take<std::uint8_t>() % (1 + stream.pools.size());
    const std::size_t offset = input.take<std::uint8_t>() % 64U;
    const auto value = static_cast<std::byte>(input.take<std::uint8_t>());
    TP_ASSERT(disk.poke(path_of(number), offset, {&value, 1}));
  }
  bool same = true;
  bool pid_changed = false;
  std::uint64_t activity = UINT64_MAX;
  for (std::size_t number = 0; number <= stream.pools.size(); ++number) {
    const std::byte* base = number == 0 ? stream.header.base() : stream.pools[number - 1].base();
    same = same && at<std::uint64_t>(base, 0) == 0x544F504C53484D31U &&
           at<std::uint32_t>(base, 8) == 1 && at<std::uint64_t>(base, 12) == epoch;
    activity = std::min(activity, at<std::uint64_t>(base, 56));
    const std::uint64_t pid = number == 0 ? stream.pid : stream.pool_pids[number - 1];
    pid_changed = pid_changed || at<std::uint64_t>(base, 40) != pid;
  }
  TP_ASSERT(stream.recheck(epoch).has_value() == same);
  TP_ASSERT(stream.activity_ns() == activity);
  TP_ASSERT(stream.pid_changed() == pid_changed);
}

}  // namespace

// Proves: SHM-15, SHM-16, SHM-133, SHM-136, SHM-137, SHM-161
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const base::ManualClock clock;
  static sim::MemoryDisk disk(clock);
  static sim::MemoryFileSystem file_system(disk, 1);
  disk.make_directories("/r");
  static const auto policy = shm::MapPolicy::make(file_system, {.allowed_base_dirs = {"/r"}});
  TP_ASSERT(policy.has_value());

  fuzz::Input input(data, size);
  shm::StreamRegions description = take_description(input);
  const shm::StreamLayout& layout = description.layout;
  bool good = layout_good(layout) && layout.nslots <= base::limits::header_slots_max;
  for (std::size_t number = 0; number <= layout.pools.size(); ++number) {
    std::string& uri = number == 0 ? description.header_uri : description.pool_uris[number - 1];
    Content file;
    take_file(input, layout, number, uri, file);
    disk.put(path_of(number), file.bytes, file.mode, file.hugetlbfs);
    good = region_good(file, uri, layout, number) && good;
  }
  {
    auto stream = shm::map_stream(file_system, *policy, description);
    TP_ASSERT(stream.has_value() == good);
    if (!stream) {
      TP_ASSERT(file_system.mapped_bytes() == 0);
      TP_ASSERT(!stream.error().message().empty());
      return 0;
    }
    check_mapped(*stream);
    check_changed(disk, *stream, input);
    shm::Unmap unmap(std::move(*stream));
    while (!unmap.step(1U + input.take<std::uint16_t>())) {
    }
  }
  TP_ASSERT(file_system.mapped_bytes() == 0);
  return 0;
}
