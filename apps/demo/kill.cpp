#include "demo/kill.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tensorpool::demo {

namespace {

std::chrono::milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
}

// As --kill names them.
std::string_view option_name(Role role) noexcept {
  return role == Role::media_driver ? "media-driver"
         : role == Role::consumer_a ? "consumer"
                                    : name(role);
}

bool of_main_stream(Role role) noexcept {
  return role == Role::producer || role == Role::consumer_a || role == Role::consumer_b;
}

}  // namespace

std::optional<Role> role_to_kill(const std::string& name) {
  for (const Role role : {Role::producer, Role::consumer_a, Role::driver, Role::media_driver}) {
    if (option_name(role) == name) return role;
  }
  return std::nullopt;
}

Recovery::Recovery(Role role, pid_t pid, double at_s, const std::vector<Child>& children)
    : role_(role), pid_(pid), at_s_(at_s) {
  for (const Child& child : children) marks_.push_back({child.attached(), child.reconnected(), {}});
  marks_[index(role)] = {};  // its successor begins at 0
}

// Frames prove nothing as long as a client may still live on what was there before the kill.
bool Recovery::has_back(Role role, const Child& child, const std::vector<Child>& children) const {
  const Mark& mark = marks_[index(role)];
  switch (role_) {
    case Role::media_driver:
      return child.reconnected() > mark.reconnected;
    case Role::driver:
      return child.attached() > mark.attached;
    case Role::producer: {
      if (!of_main_stream(role)) return true;
      const Child& successor = children[index(Role::producer)];
      if (role == Role::producer) return successor.attached() > 0;
      return successor.attached() > 0 && child.last().is_object() &&
             child.last().value("epoch", std::uint64_t{0}) >= successor.epoch();
    }
    default:
      return true;
  }
}

bool Recovery::over(const std::vector<Child>& children) {
  bool all = true;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (!is_client(role)) continue;
    const Child& child = children[i];
    Mark& mark = marks_[i];
    if (!mark.frames && has_back(role, child, children)) mark.frames = child.frames();
    all = all && mark.frames && child.frames() > *mark.frames;
  }
  if (all && !after_) after_ = since(killed_);
  return all;
}

std::string Recovery::missing(const std::vector<Child>& children) const {
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (!is_client(role)) continue;
    if (!marks_[i].frames) {
      return fmt::format("{} did not get over it: {}", name(role),
                         role_ == Role::media_driver ? "not connected to the new media driver"
                         : role_ == Role::driver     ? "not attached to the new driver"
                                                     : "not at the new producer's epoch");
    }
    if (children[i].frames() <= *marks_[i].frames)
      return fmt::format("{} did not get over it: no frame came after that", name(role));
  }
  return {};
}

std::chrono::milliseconds Recovery::age() const { return since(killed_); }

cli::Json Recovery::json() const {
  cli::Json json{{"killed", option_name(role_)},
                 {"pid", pid_},
                 {"at_s", at_s_},
                 {"recovered_after_ms", nullptr}};
  if (after_) json["recovered_after_ms"] = after_->count();
  return json;
}

std::string Recovery::told() const {
  return fmt::format("killed {}{} (pid {}) at {:.1f} s", role_ == Role::consumer_a ? "" : "the ",
                     name(role_), pid_, at_s_);
}

std::string Recovery::told_over() const {
  return fmt::format("frames again after {:.1f} s",
                     static_cast<double>(after_.value_or(age()).count()) / 1e3);
}

}  // namespace tensorpool::demo
