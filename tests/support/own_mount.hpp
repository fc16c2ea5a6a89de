// A file system of a test's own, in a mount namespace of its own: nothing of it outlives the test,
// however that ends, and no other process sees it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace tensorpool::test {

enum class Ran { passed, failed, not_allowed };

namespace detail {

inline bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

// Users other than root may mount inside a user namespace, where the system allows those.
inline bool enter_namespace() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) return false;
  if (user != 0) {
    const auto same = [](auto id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
    if (!write_file("/proc/self/setgroups", "deny") ||
        !write_file("/proc/self/uid_map", same(user)) ||
        !write_file("/proc/self/gid_map", same(group)))
      return false;
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace detail

// Mounts a file system at `directory` and runs `body` on it, both in a child process. The
// expectations of the body count: Ran::failed when one of them does not hold or the child dies.
// REQUIRES: this process has one thread.
template <class Body>
Ran on_own_mount(const std::string& directory, const char* type, const char* options, Body&& body) {
  constexpr int not_allowed = 77;
  const pid_t child = ::fork();
  if (child < 0) return Ran::not_allowed;
  if (child == 0) {
    if (!detail::enter_namespace() ||
        ::mount("tensorpool-test", directory.c_str(), type, 0, options) != 0)
      ::_exit(not_allowed);
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return Ran::failed;
  if (WEXITSTATUS(status) == not_allowed) return Ran::not_allowed;
  return WEXITSTATUS(status) == 0 ? Ran::passed : Ran::failed;
}

}  // namespace tensorpool::test
