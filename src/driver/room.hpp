// Whether the file system below shm.base_dir can hold the streams of a configuration at all: said before
// the first client asks for one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/load.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver {

// "290.0 MiB"
std::string human_bytes(std::uint64_t bytes);

// What a file system says of itself.
struct Room {
  std::uint64_t total_bytes = 0;  // 0: it has no limit of its own
  std::uint64_t available_bytes = 0;
  std::uint64_t page_bytes = 1;  // every file takes whole ones
};
// Error: system_error.
Result<Room> room_of(const std::string& directory);

// The regions of one epoch, superblocks included, each of whole pages; stops at 2^64 − 1.
std::uint64_t epoch_bytes(const config::ProfileTable& profile,
                          std::uint64_t page_bytes = 1) noexcept;
// One epoch of every configured stream and, with streams on demand, of one of those.
std::uint64_t least_bytes(const config::DriverConfig& config,
                          std::uint64_t page_bytes = 1) noexcept;

// Code::no_space when the file system could not hold least_bytes() even if it were empty; says how much is
// needed and how a container gets it. A warning when only the space that is free now is too small:
// old epochs may go.
Result<std::optional<std::string>> check_room(const config::LoadedConfig& loaded, const Room& room);

}  // namespace tensorpool::driver
