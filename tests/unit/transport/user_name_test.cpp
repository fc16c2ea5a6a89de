// Aeron's user name is asked for by one thread at a time, and never while a child is made.
#include "transport/aeron/user_name.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/eventually.hpp"

namespace tensorpool::transport::aeron {
namespace {

TEST(UserName, is_asked_for_by_one_thread_at_a_time) {
  std::atomic<int> inside{0};
  std::atomic<bool> together{false};
  const auto ask = [&] {
    for (int i = 0; i < 200; ++i) {
      (void)with_user_name([&] {
        if (++inside > 1) together = true;
        std::this_thread::yield();
        return --inside;
      });
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  EXPECT_FALSE(together);
}

// A fork waits for the call to end: the child has no thread that would end it.
TEST(UserName, is_not_asked_for_while_a_child_is_made) {
  std::atomic<bool> begun{false};
  std::atomic<bool> forking{false};
  std::atomic<bool> ended{false};
  std::thread asking([&] {
    (void)with_user_name([&] {
      begun = true;
      // For a while after the other thread was about to fork, which it does meanwhile.
      (void)test::eventually([&] { return forking.load(); });
      (void)test::eventually([] { return false; }, std::chrono::milliseconds(50));
      ended = true;
      return 0;
    });
  });
  ASSERT_TRUE(test::eventually([&] { return begun.load(); }));
  forking = true;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // where the turn is taken for ever
    const bool whole = ended;
    (void)with_user_name([] { return 0; });
    ::_exit(whole ? 0 : 1);
  }
  asking.join();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace tensorpool::transport::aeron
