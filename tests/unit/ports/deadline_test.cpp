// The deadline of a lease on the frame path (docs/internals/concurrency.md section 3, "Clock"): a process that
// was stopped past its lease finds out by itself, before it writes, tells or reads anything.
#include <gtest/gtest.h>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr base::Nanos deadline = 1'000'000;

class At {
 public:
  explicit At(base::Nanos time) noexcept : before_(TestEnv::time) { TestEnv::time = time; }
  At(const At&) = delete;
  At& operator=(const At&) = delete;
  ~At() { TestEnv::time = before_; }

 private:
  base::Nanos before_;
};

// Proves: CON-39, CON-45
TEST(Deadline, AClaimAfterItWritesNothingAndSpendsNoSeq) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  rig.cell().lease_deadline = deadline;
  {
    const At at(deadline);
    (void)rig.send();  // the lease holds at its deadline
  }
  const std::uint64_t word = regions.word(1);
  {
    const At at(deadline + 1);
    const auto claimed = rig.port.claim(bytes_spec(100));
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().code(), Code::reattaching);
  }
  EXPECT_EQ(regions.word(1), word);
  EXPECT_EQ(rig.cell().producer.claimed.get(), 1U);
  // A keepalive that went out in time raises it.
  rig.cell().lease_deadline = 2 * deadline;
  const At at(deadline + 1);
  EXPECT_EQ(rig.send().seq, 1U);
  EXPECT_EQ(rig.open(), 0U);
}

// Proves: CON-39, CON-45
TEST(Deadline, ACommitAfterItIsRefusedAndTellsNobodyOfWhatWaitedBehindIt) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  rig.cell().lease_deadline = deadline;
  const ClaimedSlot first = rig.claim();
  EXPECT_EQ(rig.send().told, Told::held);
  const shm::SlotFields before = regions.fields(0);
  const At at(deadline + 1);
  const auto committed = rig.port.commit(first, {});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::lease_ended);
  EXPECT_EQ(regions.word(0), shm::in_progress_word(0));
  EXPECT_EQ(regions.fields(0).values_len_bytes, before.values_len_bytes)
      << "W4 was not done either";
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.open(), 0U);
  EXPECT_EQ(rig.cell().producer.aborted.get(), 1U);
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 1U);
}

TEST(Deadline, AnAbortAfterItTellsNobodyEither) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  rig.cell().lease_deadline = deadline;
  const ClaimedSlot first = rig.claim();
  EXPECT_EQ(rig.send().told, Told::held);
  const At at(deadline + 1);
  EXPECT_TRUE(rig.port.abort(first));
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.open(), 0U);
}

// Proves: CON-39
TEST(Deadline, APollAfterItReadsNothing) {
  TestRegions regions(5);
  for (const int form : {0, 1, 2}) {
    SCOPED_TRACE(form);
    ConsumerRig rig;
    rig.attach(regions);
    rig.cell().lease_deadline = deadline;
    Polled polled;
    const auto look = [&] {
      polled = {};
      if (form == 0) polled = rig.poll();
      if (form == 1 && rig.port.next(polled) != nullptr)
        (void)rig.port.finish(ConsumerRig::Visit::unproved);
      if (form == 2 && rig.port.latest(polled) != nullptr)
        (void)rig.port.finish(ConsumerRig::Visit::unproved);
      return rig.cell().consumer.delivered.get();
    };
    rig.send(regions, {0});
    {
      const At at(deadline);
      EXPECT_EQ(look(), 1U);
    }
    rig.send(regions, {1, 2});
    {
      const At at(deadline + 1);
      EXPECT_EQ(look(), 1U);
      EXPECT_EQ(polled.state, PortState::reattaching);
      EXPECT_EQ(rig.subscription.waiting(), 0U) << "dropped, so that nothing piles up";
    }
    rig.cell().lease_deadline = 2 * deadline;
    rig.send(regions, {3});
    const At at(deadline + 1);
    EXPECT_EQ(look(), 2U);
    EXPECT_TRUE(rig.balanced());
  }
}

// Direct mode: no deadline, and no look at the clock for one.
struct CountingEnv : TestEnv {
  static base::Nanos now() noexcept {
    ++reads;
    return TestEnv::time;
  }
  static inline int reads = 0;
};

TEST(Deadline, WithoutALeaseOnlyAClaimReadsTheClock) {
  TestRegions regions(5);
  Rig<ProducerPort<CountingEnv>, ProducerPortOptions> rig(ProducerRig::default_options());
  FakePublication link;
  rig.post(PortState::active, Code::ok, &regions, {&link});
  CountingEnv::reads = 0;
  const auto claimed = rig.port.claim(bytes_spec(100));
  ASSERT_TRUE(claimed);
  EXPECT_EQ(CountingEnv::reads, 1);
  ASSERT_TRUE(rig.port.commit(*claimed, {}));
  EXPECT_EQ(CountingEnv::reads, 1);

  Rig<ConsumerPort<CountingEnv>, ConsumerPortOptions> reader(ConsumerRig::default_options());
  FakeSubscription subscription;
  reader.post(PortState::active, Code::ok, &regions, {}, &subscription);
  subscription.push(link.sent.at(0));
  const Polled polled =
      reader.port.poll([](OpenFrame&) { return ConsumerPort<CountingEnv>::Visit::unproved; });
  EXPECT_EQ(polled.delivered, 1);
  EXPECT_EQ(CountingEnv::reads, 1);
}

}  // namespace
}  // namespace tensorpool::agents::test
