// Killing a process in the middle of the demo, and seeing that the others get over it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "demo/roles.hpp"

namespace tensorpool::demo {

using Clock = std::chrono::steady_clock;

// Whom --kill can name; consumer is the first one.
std::optional<Role> role_to_kill(const std::string& name);

// One kill, as it is told. It is over when every client has what it lost back, and frames after that.
class Recovery {
 public:
  // `children` as they are right before the kill, by role.
  Recovery(Role role, pid_t pid, double at_s, const std::vector<Child>& children);

  // Looks at what the children have told by now; true once all is well again.
  bool over(const std::vector<Child>& children);
  // "consumer a has not been attached again": what is missing.
  std::string missing(const std::vector<Child>& children) const;

  Role role() const { return role_; }
  cli::Json json() const;
  // "killed the driver (pid 17) at 5.0 s", and "frames again after 1.3 s".
  std::string told() const;
  std::string told_over() const;
  std::chrono::milliseconds age() const;

 private:
  // What a client had told when the killing was done.
  struct Mark {
    std::uint64_t attached = 0;
    std::uint64_t reconnected = 0;
    // Its frames when it told that it has back what it lost.
    std::optional<std::uint64_t> frames;
  };
  bool has_back(Role role, const Child& child, const std::vector<Child>& children) const;

  Role role_;
  pid_t pid_;
  double at_s_;
  Clock::time_point killed_ = Clock::now();
  std::optional<std::chrono::milliseconds> after_;
  std::vector<Mark> marks_;
};

}  // namespace tensorpool::demo
