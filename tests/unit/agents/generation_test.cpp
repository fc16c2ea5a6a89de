#include "agents/generation.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace tensorpool::agents {
namespace {

struct FakeCounter final : transport::Counter {
  void set(std::int64_t v) noexcept override { value = v; }
  std::int64_t get() const noexcept override { return value; }
  std::int32_t id() const noexcept override { return 1; }
  transport::CounterPlace place() const noexcept override { return {}; }
  std::int64_t value = 0;
};

// An add that goes on for `polls` polls and then ends as told.
struct FakeAdd final : transport::Add<transport::Counter> {
  FakeAdd(int p, const char* e) : polls(p), error(e) {}
  Result<std::unique_ptr<transport::Counter>> poll() override {
    if (polls-- > 0) return std::unique_ptr<transport::Counter>();
    if (error != nullptr) return fail(Code::transport_error, "add", error);
    return std::make_unique<FakeCounter>();
  }
  std::int64_t registration_id() const noexcept override { return 42; }
  int polls;
  const char* error;
};

using Started = Result<std::unique_ptr<transport::Add<transport::Counter>>>;

TEST(LinkAdd, GivesTheLinkWhenItIsThere) {
  LinkAdd<transport::Counter> link;
  int starts = 0;
  const auto start = [&]() -> Started {
    ++starts;
    return std::make_unique<FakeAdd>(2, nullptr);
  };
  EXPECT_EQ(link.registration_id(), -1);
  EXPECT_EQ(*link.step(0, start), 1);
  EXPECT_EQ(link.registration_id(), 42);
  EXPECT_EQ(*link.step(0, start), 0);
  EXPECT_EQ(*link.step(0, start), 0);
  EXPECT_FALSE(link.ready());
  EXPECT_EQ(*link.step(0, start), 1);
  EXPECT_TRUE(link.ready());
  EXPECT_EQ(*link.step(0, start), 0);
  EXPECT_EQ(starts, 1);
  EXPECT_NE(link.take(), nullptr);
  EXPECT_FALSE(link.ready());
}

TEST(LinkAdd, TriesAgainAfterAPauseAndTellsTheSameReasonOnce) {
  LinkAdd<transport::Counter> link;
  const char* error = "no memory left";
  int starts = 0;
  const auto start = [&]() -> Started {
    ++starts;
    return std::make_unique<FakeAdd>(0, error);
  };
  int told = 0;
  // 10 seconds in milliseconds.
  for (base::Nanos now = 0; now < 10'000'000'000; now += 1'000'000) {
    const auto step = link.step(now, start);
    if (!step) ++told;
  }
  EXPECT_EQ(told, 1);
  EXPECT_GE(starts, 15);
  EXPECT_LE(starts, 21);
  error = "a different reason";
  for (base::Nanos now = 10'000'000'000; now < 12'000'000'000; now += 1'000'000) {
    const auto step = link.step(now, start);
    if (!step) ++told;
  }
  EXPECT_EQ(told, 2);
  error = nullptr;
  for (base::Nanos now = 12'000'000'000; now < 13'000'000'000; now += 1'000'000)
    EXPECT_TRUE(link.step(now, start));
  EXPECT_TRUE(link.ready());
}

TEST(LinkAdd, ReportsAnAddThatCannotBegin) {
  LinkAdd<transport::Counter> link;
  const auto start = []() -> Started { return fail(Code::invalid_argument, "add", "bad channel"); };
  const auto step = link.step(0, start);
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code(), Code::invalid_argument);
  EXPECT_EQ(link.registration_id(), -1);
}

}  // namespace
}  // namespace tensorpool::agents
