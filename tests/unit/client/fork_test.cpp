// A child made by fork() alone that goes on using what it inherited: every call says `forked` or does
// nothing, nothing of the parent's is touched, and the parent's stream goes on.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <vector>

#include "unit/client/support.hpp"

#ifndef TENSORPOOL_TSAN  // which does not follow a fork of a process with threads

namespace tensorpool::client_test {
namespace {

// What a child found wrong first: its exit status. 0 when all is as it should be.
class Findings {
 public:
  void expect(bool holds) {
    ++checks_;
    if (!holds && first_ == 0) first_ = checks_;
  }
  template <class T>
  void expect_forked(const Result<T>& result) {
    expect(!result && result.error().code() == Code::forked);
  }
  int first() const { return first_; }

 private:
  int checks_ = 0;
  int first_ = 0;
};

// Memory of the child's own, a page at a time: it fills every hole of the address space that is left.
void fill_holes() {
  constexpr std::size_t page = 4096;
  for (int i = 0; i < 20'000; ++i) {
    void* own = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own != MAP_FAILED) *static_cast<std::byte*>(own) = std::byte{1};
  }
}

class Forked : public testing::TestWithParam<Threading> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(deployment.start());
    client.emplace(deployment.connect(GetParam()));
    ProducerOptions options = deployment.producer_options();
    options.slots = 64;
    producer.emplace(client->producer(options).wait(patience).value());
    consumer.emplace(client->consumer({.stream = stream}).wait(patience).value());
    ASSERT_TRUE(until(*client, [&] { return consumer->state() == PortState::active; }));
  }

  // Runs `child` in a child and gives its exit status; -1 for another end.
  template <class Child>
  static int in_child(Child&& child) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::alarm(60);
      ::_exit(child());
    }
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // The parent's stream: everything sent arrives, right and in order.
  void expect_that_it_goes_on() {
    const std::uint64_t lost = consumer->statistics().lost;
    for (std::uint8_t i = 1; i <= 40; ++i) {
      FrameView view = deliver(*client, *producer, *consumer, i);
      EXPECT_TRUE(std::all_of(view.bytes().begin(), view.bytes().end(),
                              [&](std::byte b) { return b == std::byte{i}; }));
      EXPECT_EQ(view.finish(), Outcome::delivered);
    }
    EXPECT_EQ(consumer->statistics().lost, lost);
    EXPECT_TRUE(consumer->statistics().balanced());
    EXPECT_TRUE(producer->statistics().balanced());
    EXPECT_EQ(deployment.files.region_files(), 2);
  }

  Deployment deployment;
  std::optional<Client> client;
  std::optional<Producer> producer;
  std::optional<Consumer> consumer;
};

TEST_P(Forked, EveryCallOfTheChildSaysSoAndTheParentGoesOn) {
  std::optional<FrameView> view(deliver(*client, *producer, *consumer, 7));
  std::array<std::optional<Slot>, 4> slots;
  for (auto& slot : slots) {
    slot.emplace(producer->claim(spec_of(64)).value());
    std::memset(slot->bytes().data(), 9, slot->bytes().size());
  }
  auto pending = client->consumer({.stream = stream + 1});
  const int found = in_child([&] {
    Findings child;
    child.expect_forked(producer->claim(spec_of(64)));
    child.expect_forked(send(*producer, 1));
    child.expect(producer->state() == PortState::closed);
    child.expect_forked(slots[0]->commit());
    child.expect_forked(slots[1]->abort());
    slots[2].reset();
    child.expect(!view->intact());
    child.expect(view->finish() != Outcome::delivered);
    child.expect_forked(consumer->next(0ns));
    child.expect_forked(consumer->latest(1ms));
    int handled = 0;
    std::vector<std::byte> buffer(256);
    child.expect(consumer->poll([&](const Frame&) { ++handled; }).state == PortState::closed);
    (void)consumer->poll_copy(buffer, [&](const CopiedFrame&) { ++handled; });
    child.expect(handled == 0);
    child.expect_forked(client->close());
    child.expect_forked(pending.wait(1s));
    child.expect_forked(client->producer(deployment.producer_options()).wait(1s));
    child.expect(client->do_work() == 0);
    fill_holes();
    view.reset();
    slots[3].reset();
    consumer.reset();
    producer.reset();
    client.reset();
    deployment.driver.reset();
    return child.first();
  });
  EXPECT_EQ(found, 0) << "the number of the child's check that failed first";
  EXPECT_EQ(view->finish(), Outcome::delivered);
  for (auto& slot : slots) {
    EXPECT_TRUE(std::all_of(slot->bytes().begin(), slot->bytes().end(),
                            [](std::byte b) { return b == std::byte{9}; }));
    ASSERT_TRUE(slot->commit());
    EXPECT_EQ(consumer->next(patience).value().finish(), Outcome::delivered);
  }
  EXPECT_TRUE(MediaDriver::alive(deployment.aeron_dir()));
  expect_that_it_goes_on();
}

// It forks where it holds a frame and returns into the library.
TEST_P(Forked, AChildThatReturnsFromAHandlerDeliversNothing) {
  (void)deliver(*client, *producer, *consumer, 7).finish();
  for (int round = 0; round < 3; ++round) ASSERT_TRUE(send(*producer, 8));
  pid_t pid = -1;
  int handled = 0;
  Polled polled;
  std::vector<std::byte> buffer(256);
  ASSERT_TRUE(until(*client, [&] {
    const auto fork_once = [&] {
      ++handled;
      if (pid < 0) pid = ::fork();
    };
    polled = consumer->poll([&](const Frame& frame) {
      fork_once();
      if (pid == 0 && frame.intact()) ::_exit(1);
    });
    if (pid == 0) ::_exit(polled.delivered == 0 && handled == 1 ? 0 : 2);
    return handled >= 3;
  }));
  int status = -1;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  // The same in the supplier of a buffer, before anything is read.
  ASSERT_TRUE(send(*producer, 8));
  pid = -1;
  handled = 0;
  ASSERT_TRUE(until(*client, [&] {
    polled = consumer->poll_copy(
        [&](const FrameInfo&) {
          if (pid < 0) pid = ::fork();
          return std::span<std::byte>(buffer);
        },
        [&](const CopiedFrame&) { ++handled; });
    if (pid == 0) ::_exit(handled == 0 && polled.delivered == 0 ? 0 : 3);
    return handled == 1;
  }));
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  expect_that_it_goes_on();
}

// The same in a handler of events, which runs between two descriptors.
TEST_P(Forked, AChildThatReturnsFromAnEventDeliversNothing) {
  (void)deliver(*client, *producer, *consumer, 7).finish();
  pid_t pid = -1;
  int handled = 0;
  consumer->on_event([&](const Event& event) {
    if (event.kind == EventKind::gap && pid < 0) pid = ::fork();
  });
  ASSERT_TRUE(producer->claim(spec_of(64)).value().abort());
  for (int round = 0; round < 3; ++round) ASSERT_TRUE(send(*producer, 8));
  ASSERT_TRUE(until(*client, [&] {
    const Polled polled = consumer->poll([&](const Frame&) { ++handled; });
    if (pid == 0) ::_exit(handled == 0 && polled.state == PortState::closed ? 0 : 1);
    return handled == 3;
  }));
  int status = -1;
  ASSERT_GT(pid, 0);
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  consumer->on_event({});
  expect_that_it_goes_on();
}

// Old pointers lead nowhere: not to the parent's frames, and not to the child's own memory either.
TEST_P(Forked, AChildThatWritesThroughAnOldPointerFaults) {
  auto slot = producer->claim(spec_of(64)).value();
  std::memset(slot.bytes().data(), 9, slot.bytes().size());
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    fill_holes();
    slot.bytes()[0] = std::byte{1};
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
  EXPECT_EQ(slot.bytes()[0], std::byte{9});
  ASSERT_TRUE(slot.commit());
  EXPECT_EQ(consumer->next(patience).value().finish(), Outcome::delivered);
  expect_that_it_goes_on();
}

// What the error tells a child to do.
TEST_P(Forked, AChildMayConnectAnew) {
  const int found = in_child([&] {
    Findings child;
    Client own = deployment.connect(GetParam());
    ProducerOptions options = deployment.producer_options();
    // Its parent lives and has that stream.
    const auto taken = own.producer(options).wait(patience);
    child.expect(!taken && taken.error().code() == Code::stream_in_use);
    options.stream = stream + 1;
    std::optional<Producer> out(own.producer(options).wait(patience).value());
    std::optional<Consumer> in(own.consumer({.stream = stream + 1}).wait(patience).value());
    child.expect(deliver(own, *out, *in, 5).finish() == Outcome::delivered);
    // And its children are forked of it.
    child.expect(in_child([&] {
                   Findings grandchild;
                   grandchild.expect_forked(send(*out, 1));
                   grandchild.expect_forked(send(*producer, 1));
                   return grandchild.first();
                 }) == 0);
    child.expect(deliver(own, *out, *in, 6).finish() == Outcome::delivered);
    child.expect_forked(send(*producer, 1));
    in.reset();
    out.reset();
    child.expect(own.close().has_value());
    return child.first();
  });
  EXPECT_EQ(found, 0) << "the number of the child's check that failed first";
  expect_that_it_goes_on();
}

INSTANTIATE_TEST_SUITE_P(BothModes, Forked,
                         testing::Values(Threading::threaded, Threading::invoked),
                         [](const auto& tested) {
                           return tested.param == Threading::threaded ? "threaded" : "invoked";
                         });

}  // namespace
}  // namespace tensorpool::client_test

#endif
