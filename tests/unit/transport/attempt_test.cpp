// A connect that does not come back holds up nobody.
#include "transport/aeron/attempt.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <latch>
#include <thread>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

// Tells when it is made and when it goes.
class Marked final : public transport::Connection {
 public:
  explicit Marked(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  Marked(const Marked&) = delete;
  Marked& operator=(const Marked&) = delete;
  ~Marked() override { --alive_; }

  Result<std::unique_ptr<Add<transport::Publication>>> add_publication(const std::string&,
                                                                       std::int32_t,
                                                                       base::Nanos) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  Result<std::unique_ptr<Add<transport::Subscription>>> add_subscription(const std::string&,
                                                                         std::int32_t, base::Nanos,
                                                                         ImageLog*) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  Result<std::unique_ptr<Add<transport::Counter>>> add_counter(const CounterSpec&,
                                                               base::Nanos) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  void find_counters(std::int32_t, FunctionRef<void(const FoundCounter&)>) const override {}
  int do_work() override { return 0; }
  bool is_closed() const noexcept override { return false; }
  std::int64_t client_id() const noexcept override { return 0; }

 private:
  std::atomic<int>& alive_;
};

using test::eventually;

TEST(Attempt, gives_its_outcome_once) {
  std::atomic<int> alive{0};
  auto attempt =
      Attempt::start([&]() -> Attempt::Outcome { return std::make_unique<Marked>(alive); });
  ASSERT_TRUE(attempt);
  std::optional<Attempt::Outcome> outcome;
  ASSERT_TRUE(eventually([&] { return (outcome = (*attempt)->poll()).has_value(); }));
  ASSERT_TRUE(*outcome);
  EXPECT_FALSE((*attempt)->poll());
  attempt->reset();
  EXPECT_EQ(alive, 1);  // the connection is the caller's
  outcome.reset();
  EXPECT_EQ(alive, 0);

  auto failing = Attempt::start(
      []() -> Attempt::Outcome { return fail(Code::transport_error, "connect", "tired"); });
  ASSERT_TRUE(failing);
  ASSERT_TRUE(eventually([&] { return (outcome = (*failing)->poll()).has_value(); }));
  EXPECT_EQ(outcome->error().code(), Code::transport_error);
}

TEST(Attempt, that_never_comes_back_holds_up_neither_poll_nor_the_end) {
  std::atomic<int> alive{0};
  std::atomic<bool> made{false};
  std::latch inside(1);
  std::latch gate(1);
  auto attempt = Attempt::start([&]() -> Attempt::Outcome {
    inside.count_down();
    gate.wait();
    auto connection = std::make_unique<Marked>(alive);
    made = true;
    return connection;
  });
  ASSERT_TRUE(attempt);
  inside.wait();
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE((*attempt)->poll());
  attempt->reset();  // while it is stuck
  EXPECT_FALSE(made);
  gate.count_down();
  // What nobody waits for any more is closed.
  EXPECT_TRUE(eventually([&] { return made.load() && alive.load() == 0; }));
}

TEST(Attempt, leaves_signals_to_the_application) {
  std::atomic<bool> blocked{false};
  auto attempt = Attempt::start([&]() -> Attempt::Outcome {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked = ::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, SIGINT) == 1;
    return fail(Code::timeout, "connect", "");
  });
  ASSERT_TRUE(attempt);
  sigset_t mine;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(::sigismember(&mine, SIGTERM), 0);
  ASSERT_TRUE(eventually([&] { return (*attempt)->poll().has_value(); }));
  EXPECT_TRUE(blocked);
}

// A transport asks again and again; it never waits for an answer itself.
TEST(Attempt, is_how_a_transport_connects) {
  const Folder folder;
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron", false));
  ASSERT_TRUE(driver) << driver.error().message();
  const ConnectOptions options = patient(folder / "aeron");
  const auto transport = make_transport();
  std::unique_ptr<transport::Connection> connection;
  ASSERT_TRUE(eventually([&] {
    auto made = transport->connect(options);
    if (made) connection = std::move(*made);
    EXPECT_TRUE(made || made.error().code() == Code::connecting);
    return connection != nullptr;
  }));
  EXPECT_FALSE(connection->is_closed());
  const auto dropped = make_transport();
  (void)dropped->connect(options);  // under way when it ends, as a rule
}

}  // namespace
}  // namespace tensorpool::transport::aeron
