#include "agents/request.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

namespace tensorpool::agents {
namespace {

ProducerOptions options() {
  ProducerOptions o;
  o.stream = 10'000;
  return o;
}

// Proves: CON-21
TEST(Request, HandsItsPortOverOnce) {
  Request request(options());
  EXPECT_EQ(request.state(), Request::State::pending);
  EXPECT_EQ(request.registration_id.load(), -1);
  const auto cell = std::make_shared<Cell>();
  request.complete(cell);
  EXPECT_EQ(request.state(), Request::State::complete);
  EXPECT_EQ(request.take_cell(), cell);
  EXPECT_EQ(request.take_cell(), nullptr);
  EXPECT_FALSE(cell->closed.load());
}

TEST(Request, RingsForItsEnd) {
  for (const bool completes : {true, false}) {
    Request request(options());
    const auto rings = request.ended().rings();
    std::thread conductor([&] {
      if (completes) {
        request.complete(std::make_shared<Cell>());
      } else {
        request.fail_with(Error::hot(Code::closed, "Client"));
      }
    });
    while (request.state() == Request::State::pending)
      request.ended().wait(rings, std::chrono::hours{1});  // nothing else ends it
    conductor.join();
  }
}

TEST(Request, EndsOnceOnly) {
  Request request(options());
  request.fail_with(Error::hot(Code::closed, "Client"));
  EXPECT_EQ(request.state(), Request::State::failed);
  EXPECT_EQ(request.error().code(), Code::closed);
  const auto late = std::make_shared<Cell>();
  request.complete(late);
  EXPECT_EQ(request.state(), Request::State::failed);
  EXPECT_TRUE(late->closed.load());  // nobody will ever use that port
  EXPECT_FALSE(request.abandon());
}

TEST(Request, ClosesThePortOfAnAbandonedHandle) {
  Request request(options());
  EXPECT_TRUE(request.abandon());
  EXPECT_TRUE(request.abandoned());
  const auto cell = std::make_shared<Cell>();
  request.complete(cell);
  EXPECT_TRUE(request.abandoned());
  EXPECT_TRUE(cell->closed.load());
}

// Whatever comes first, the port is closed by exactly one of the two sides and never left to
// nobody.
TEST(Request, NeverLeavesAPortToNobody) {
  for (int round = 0; round < 2000; ++round) {
    Request request(options());
    const auto cell = std::make_shared<Cell>();
    std::atomic<bool> go{false};
    std::thread conductor([&] {
      while (!go.load()) {
      }
      request.complete(cell);
    });
    go.store(true);
    bool mine = false;
    if (!request.abandon()) {  // as a Pending does when it is dropped
      ASSERT_EQ(request.state(), Request::State::complete);
      EXPECT_EQ(request.take_cell(), cell);
      mine = true;
    }
    conductor.join();
    EXPECT_NE(mine, cell->closed.load());
  }
}

// The result is there for whoever sees the end (the thread sanitizer watches the plain members).
// Proves: CON-22
TEST(Request, PublishesItsResultWithItsEnd) {
  for (int round = 0; round < 500; ++round) {
    Request request(options());
    std::thread conductor([&] {
      if (round % 2 == 0) {
        request.complete(std::make_shared<Cell>());
      } else {
        request.fail_with(Error(Code::no_space, "create", "full"));
      }
    });
    Request::State state = Request::State::pending;
    int changes = 0;
    for (int after = 0; after < 10;) {
      const Request::State seen = request.state();
      if (seen != state) ++changes;
      state = seen;
      if (state == Request::State::pending) continue;
      ++after;
    }
    EXPECT_EQ(changes, 1);
    if (state == Request::State::complete) {
      EXPECT_NE(request.take_cell(), nullptr);
    } else {
      EXPECT_EQ(request.error().code(), Code::no_space);
    }
    conductor.join();
  }
}

}  // namespace
}  // namespace tensorpool::agents
