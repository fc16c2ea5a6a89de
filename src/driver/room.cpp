#include "driver/room.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "shm/layout.hpp"

namespace tensorpool::driver {
namespace {

constexpr std::uint64_t most = UINT64_MAX;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;

std::uint64_t sum(std::uint64_t a, std::uint64_t b) noexcept { return a > most - b ? most : a + b; }

const config::ProfileTable* find_profile(const config::DriverConfig& config,
                                         const std::string& name) noexcept {
  const auto found = std::find_if(config.profiles.begin(), config.profiles.end(),
                                  [&](const auto& profile) { return profile.name == name; });
  return found == config.profiles.end() ? nullptr : &*found;
}

// The profile of streams on demand; null without such streams.
const config::ProfileTable* dynamic_profile(const config::DriverConfig& config) noexcept {
  if (!config.policies.allow_dynamic_streams || config.driver.stream_id_range.empty())
    return nullptr;
  return find_profile(config, config.policies.default_profile);
}

// Whole pages of a region.
std::uint64_t pages(std::optional<std::uint64_t> bytes, std::uint64_t page_bytes) noexcept {
  if (!bytes) return most;
  const std::uint64_t over = *bytes % page_bytes;
  return over == 0 ? *bytes : sum(*bytes, page_bytes - over);
}

std::string what_needs_it(const config::DriverConfig& config, std::uint64_t page_bytes) {
  std::string text;
  if (!config.streams.empty())
    text = fmt::format("one epoch of each of the {} configured streams", config.streams.size());
  if (const auto* profile = dynamic_profile(config)) {
    text += fmt::format("{}one epoch of a stream on demand (profile {}, {})",
                        text.empty() ? "" : " and ", profile->name,
                        human_bytes(epoch_bytes(*profile, page_bytes)));
  }
  return text;
}

// A new epoch is made beside those that are kept; and the media driver.
std::uint64_t good_mebibytes(const config::DriverConfig& config, std::uint64_t needed) noexcept {
  std::uint64_t bytes = sum(needed, 128 * mebibyte + mebibyte - 1);
  for (std::uint32_t i = 0; i < config.policies.epoch_gc_keep && bytes != most; ++i)
    bytes = sum(bytes, needed);
  return bytes / mebibyte;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < std::uint64_t{1} << 20U) return fmt::format("{:.1f} KiB", value / 1024);
  if (bytes < std::uint64_t{1} << 30U) return fmt::format("{:.1f} MiB", value / 1048576);
  if (bytes < std::uint64_t{1} << 40U) return fmt::format("{:.1f} GiB", value / 1073741824);
  return fmt::format("{:.1f} TiB", value / 1099511627776);
}

Result<Room> room_of(const std::string& directory) {
  struct statvfs found{};
  if (::statvfs(directory.c_str(), &found) != 0)
    return fail(Error::system("statvfs", errno, directory));
  const std::uint64_t block = found.f_frsize;
  return Room{found.f_blocks * block, found.f_bavail * block};
}

std::uint64_t epoch_bytes(const config::ProfileTable& profile, std::uint64_t page_bytes) noexcept {
  std::uint64_t bytes = pages(shm::header_ring_bytes(profile.header_nslots), page_bytes);
  for (const config::PoolTable& pool : profile.payload_pools)
    bytes =
        sum(bytes, pages(shm::pool_bytes(profile.header_nslots, pool.stride_bytes), page_bytes));
  return bytes;
}

std::uint64_t least_bytes(const config::DriverConfig& config, std::uint64_t page_bytes) noexcept {
  std::uint64_t bytes = 0;
  for (const config::StreamTable& stream : config.streams) {
    if (const auto* profile = find_profile(config, stream.profile))
      bytes = sum(bytes, epoch_bytes(*profile, page_bytes));
  }
  if (const auto* profile = dynamic_profile(config))
    bytes = sum(bytes, epoch_bytes(*profile, page_bytes));
  return bytes;
}

Result<std::optional<std::string>> check_room(const config::LoadedConfig& loaded,
                                              const Room& room) {
  const config::DriverConfig& config = loaded.config;
  const std::uint64_t needed = least_bytes(config, room.page_bytes);
  const auto origin = loaded.origins.find("shm.base_dir");
  const std::string place = fmt::format(
      "{}: shm.base_dir = \"{}\"",
      origin == loaded.origins.end() ? "default" : origin->second.words(), config.shm.base_dir);
  const std::uint64_t good = good_mebibytes(config, needed);
  if (room.total_bytes != 0 && needed > room.total_bytes) {
    return fail(
        Code::no_space, "check_room",
        fmt::format(
            "{}: this file system holds {} in all, and {} need {}; make it larger (docker and "
            "podman: --shm-size={}m; Kubernetes: an emptyDir with medium Memory and sizeLimit "
            "{}Mi mounted there; elsewhere: mount -o remount,size={}m), or configure fewer "
            "slots or smaller pools",
            place, human_bytes(room.total_bytes), what_needs_it(config, room.page_bytes),
            human_bytes(needed), good, good, good));
  }
  if (room.total_bytes != 0 && room.total_bytes / mebibyte < good - 128) {
    return fmt::format(
        "{}: this file system holds {} in all, which is too little for the {} epochs that are kept "
        "and the next one of "
        "each stream ({} need {} each time); once it is full, producers are refused. Make it {} "
        "MiB, or lower "
        "policies.epoch_gc_keep",
        place, human_bytes(room.total_bytes), config.policies.epoch_gc_keep,
        what_needs_it(config, room.page_bytes), human_bytes(needed), good);
  }
  if (needed <= room.available_bytes) return std::nullopt;
  return fmt::format(
      "{}: only {} are free now, and {} need {}; producers are refused until there is room", place,
      human_bytes(room.available_bytes), what_needs_it(config, room.page_bytes),
      human_bytes(needed));
}

}  // namespace tensorpool::driver
