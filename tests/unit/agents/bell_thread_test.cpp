#include "agents/bell_thread.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/eventually.hpp"

namespace tensorpool::agents::test {
namespace {

using tensorpool::test::eventually;

class Bells : public ::testing::Test {
 protected:
  ~Bells() override {
    for (const auto& seat : seats_) bells_.remove(*seat);
    ::close(fd_);
  }
  BellThread::Seat& sit() {
    seats_.push_back(std::make_unique<BellThread::Seat>());
    EXPECT_TRUE(bells_.add(*seats_.back(), fd_, "test"));
    return *seats_.back();
  }

  int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::vector<std::unique_ptr<BellThread::Seat>> seats_;
  BellThread bells_;
};

TEST_F(Bells, HasRoomForAsManyWordsAsTheKernelTakesWithTheOneOfItsOwn) {
  constexpr std::size_t words = 5;
  constexpr std::size_t fit = (base::limits::futexes_per_wait - 1) / words;
  for (std::size_t i = 0; i < fit; ++i) ASSERT_TRUE(bells_.make_room(sit(), words)) << i;
  BellThread::Seat& late = sit();
  EXPECT_FALSE(bells_.make_room(late, words));
  EXPECT_TRUE(bells_.make_room(*seats_.front(), words));  // what it has already
  // Who wants less makes room for others.
  EXPECT_TRUE(bells_.make_room(*seats_.front(), 1));
  EXPECT_TRUE(bells_.make_room(late, words));
  EXPECT_FALSE(bells_.make_room(*seats_.front(), words));
  bells_.remove(late);
  EXPECT_TRUE(bells_.make_room(*seats_.front(), words));
}

TEST_F(Bells, ThreadHasItsOwnName) {
  (void)sit();
  EXPECT_TRUE(eventually([] {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      if (std::getline(file, name) && name == "tp-bells") return true;
    }
    return false;
  }));
}

}  // namespace
}  // namespace tensorpool::agents::test
