// Who takes part in the demo, and with what arguments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "demo/children.hpp"

namespace tensorpool::demo {

// In the order in which they are started: regions are there before somebody wants to map them.
enum class Role : std::uint8_t {
  media_driver,
  driver,
  producer,
  small_producer,
  consumer_a,
  consumer_b,
  slow_consumer,
};
inline constexpr std::size_t roles = 7;

constexpr std::size_t index(Role role) noexcept { return static_cast<std::size_t>(role); }
constexpr bool produces(Role role) noexcept {
  return role == Role::producer || role == Role::small_producer;
}
constexpr bool consumes(Role role) noexcept { return role >= Role::consumer_a; }
constexpr bool is_client(Role role) noexcept { return produces(role) || consumes(role); }
std::string_view name(Role role) noexcept;

// Everything that the demo puts on the disk lies in here, and goes with it.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  // Empty when it could not be made.
  const std::string& path() const { return path_; }
  std::string errors() const { return path_ + "/errors"; }

 private:
  std::string path_;
};

// Source of the main stream: its name, and what its largest frame needs.
struct Input {
  std::string source;
  std::uint32_t stride_bytes = 0;
};

// Makes the directories and the driver's configuration, and finds tp_driver beside this program.
Result<std::vector<Command>> prepare(const std::string& folder, const Input& input);

}  // namespace tensorpool::demo
