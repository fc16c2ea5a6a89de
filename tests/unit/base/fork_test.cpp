// What a fork finds that comes while something that it tells is being made.
#include "base/fork.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tensorpool::base {
namespace {

// A base is made before the object is what it will be, as when another thread forks in that moment.
struct Forks {
  Forks() : child(::fork()) {
    if (child == 0) ::_exit(0);
  }
  pid_t child;
};

struct HalfMade final : InChild, Forks {
  void on_forked() noexcept override {}
};

TEST(InChild, that_is_only_half_made_does_not_end_a_forked_child) {
  const HalfMade half;
  ASSERT_GT(half.child, 0);
  int status = 0;
  ASSERT_EQ(::waitpid(half.child, &status, 0), half.child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
}

}  // namespace
}  // namespace tensorpool::base
