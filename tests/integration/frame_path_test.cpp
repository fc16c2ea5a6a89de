// After attach the frame path makes no allocation, takes no lock and makes no system call (and so
// writes no log line), whatever becomes of a frame. Each case runs in a child process of its own:
// the thread whose system calls are filtered cannot end in any other way than with its process.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <new>

#include "integration/call_watch.hpp"
#include "integration/frame_path_scene.hpp"
#include "integration/wake_watch.hpp"

namespace tensorpool::integration {
namespace {

constexpr int repetitions = 50;

// What the child leaves behind; in memory that both processes share.
struct Report {
  char failure[256] = {};  // the scene could not be built, or a step did not do what it is for
  char unwatched[128] = {};
  int steps = 0;
  char guilty[64] = {};  // the first step that allocated, locked or called the system
  Calls calls;
  std::uint64_t calls_of_guilty = 0;
  SystemCalls system;
};

class SharedReport {
 public:
  SharedReport() {
    void* memory =
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    report_ = new (memory) Report;
  }
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  ~SharedReport() { ::munmap(report_, sizeof(Report)); }
  Report* operator->() noexcept { return report_; }
  Report& operator*() noexcept { return *report_; }

 private:
  Report* report_;
};

template <std::size_t N>
void note(char (&where)[N], const char* text) {
  std::snprintf(where, N, "%s", text);
}

// Neither allocates nor calls the system: runs under the filter.
template <std::size_t N>
void keep_name(char (&where)[N], const char* text) noexcept {
  std::size_t i = 0;
  for (; i + 1 < N && text[i] != '\0'; ++i) where[i] = text[i];
  where[i] = '\0';
}

struct Before {
  explicit Before(const Report& report) : calls(calls_so_far()), system(report.system.count) {}
  std::uint64_t since(const Report& report) const {
    const Calls now = calls_so_far();
    return now.allocations - calls.allocations + now.locks - calls.locks + report.system.count -
           system;
  }
  Calls calls;
  std::uint64_t system;
};

// A machine that stands still for a moment lets a step miss what it is for: descriptors that are held up are
// read too early, the producer counts as dead. It counts as tried when that really happened.
template <class Scene, class Step>
bool happens(Scene& scene, const Step& step) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!step.run(scene)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

template <class Scene, class Step>
void watch_steps(Report& report, Scene& scene, std::span<const Step> steps) {
  for (const Step& step : steps) {
    const Before before(report);
    for (int i = 0; i < (step.rare ? 2 : repetitions); ++i) {
      if (!happens(scene, step)) {
        keep_name(report.failure, step.name);
        return;
      }
    }
    const std::uint64_t calls = before.since(report);
    ++report.steps;
    if (calls != 0 && report.guilty[0] == '\0') {
      keep_name(report.guilty, step.name);
      report.calls_of_guilty = calls;
      const Calls now = calls_so_far();
      report.calls = {now.allocations - before.calls.allocations, now.locks - before.calls.locks};
    }
  }
}

// Runs in the child and never returns.
template <class Scene, class Step>
[[noreturn]] void play(Report& report, std::span<const Step> steps) {
  try {
    Scene scene;
    for (const Step& step : steps) {
      if (step.last) continue;
      for (int i = 0; i < 2; ++i) {
        if (!happens(scene, step)) throw std::runtime_error(std::string("warm-up of ") + step.name);
      }
    }
    if constexpr (TENSORPOOL_CALLS_WATCHED != 0) {
      if (const char* why = watch_system_calls(report.system)) note(report.unwatched, why);
    }
    report.system.count = 0;
    watch_steps(report, scene, steps);
    ::syscall(SYS_exit_group, 0);
  } catch (const std::exception& error) {
    note(report.failure, error.what());
  }
  ::_exit(1);
}

template <class Scene, class Step>
void play_in_a_child(SharedReport& report, std::span<const Step> steps) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) play<Scene>(*report, steps);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_STREQ(report->failure, "") << "after " << report->steps << " steps";
}

// Proves: STR-234, STR-119
TEST(FramePath, allocates_locks_and_calls_nothing_whatever_the_outcome) {
  SharedReport report;
  const Folder folder;
  FrameScene::folder = &folder;
  play_in_a_child<FrameScene>(report, FrameScene::steps());
  if (HasFailure()) return;
  EXPECT_EQ(report->steps, static_cast<int>(FrameScene::steps().size()));
  if (TENSORPOOL_CALLS_WATCHED == 0)
    GTEST_SKIP() << "every outcome was seen; sanitizers allocate and call the system themselves";
  if (report->unwatched[0] != '\0')
    GTEST_SKIP() << "every outcome was seen, but system calls cannot be watched here: "
                 << report->unwatched;
  EXPECT_STREQ(report->guilty, "")
      << report->calls_of_guilty << " calls: " << report->calls.allocations << " allocations, "
      << report->calls.locks << " locks, last system call " << report->system.last;
  EXPECT_EQ(report->system.count, 0U) << report->system.last;
}

// A producer that wakes its consumers, and somebody who may sleep.
struct WakeScene {
  WakeScene()
      : driver(MediaDriver::launch({.aeron_dir = FrameScene::folder->aeron()}).value()),
        client(connect(client_options(*FrameScene::folder))),
        producer(make_producer(client, options())),
        consumer(make_consumer(client, consumer_options(stream))),
        maker(*FrameScene::folder),
        waiter(maker.make(agents::armed_type_id, stream)) {
    waiter->set(1);
    const bool known =
        until_active(consumer) && eventually([&] {
          return publish() && counted(*FrameScene::folder, "producer", "wakes", stream) > 0;
        });
    if (!known) throw std::runtime_error("the producer knows no waiter");
    waiter->set(0);
    if (!publish()) throw std::runtime_error("nothing is sent");
  }

  static ProducerOptions options() {
    ProducerOptions options = producer_options(*FrameScene::folder, stream, 8, {64});
    options.wake_waiters = true;
    return options;
  }
  bool publish() {
    auto slot = producer.claim(DType::u8, {8});
    if (!slot) return false;
    const auto committed = slot->commit();
    (void)consumer.poll([](const Frame&) {});
    return committed && committed->told == Told::consumers;
  }

  static constexpr std::uint32_t stream = 507;
  MediaDriver driver;
  Client client;
  Producer producer;
  Consumer consumer;
  CounterMaker maker;
  std::unique_ptr<transport::Counter> waiter;
};
struct WakeStep {
  const char* name;
  bool (*run)(WakeScene&);
  bool rare = false;
  bool last = false;
};

Report watch_waking(const WakeStep& step) {
  SharedReport report;
  const Folder folder;
  FrameScene::folder = &folder;
  play_in_a_child<WakeScene>(report, std::span<const WakeStep>(&step, 1));
  return *report;
}

TEST(FramePath, calls_nothing_when_those_that_may_sleep_are_awake) {
  const Report report = watch_waking({"awake", [](WakeScene& s) { return s.publish(); }});
  if (HasFailure()) return;
  if (TENSORPOOL_CALLS_WATCHED == 0 || report.unwatched[0] != '\0')
    GTEST_SKIP() << "calls cannot be watched here " << report.unwatched;
  EXPECT_STREQ(report.guilty, "") << report.system.last;
  EXPECT_EQ(report.system.count, 0U) << report.system.last;
}

TEST(FramePath, wakes_who_sleeps_with_one_system_call_and_nothing_else) {
  const Report report = watch_waking({"asleep", [](WakeScene& s) {
                                        s.waiter->set(1);
                                        return s.publish();
                                      }});
  if (HasFailure()) return;
  if (TENSORPOOL_CALLS_WATCHED == 0 || report.unwatched[0] != '\0')
    GTEST_SKIP() << "calls cannot be watched here " << report.unwatched;
  EXPECT_EQ(report.system.count, static_cast<std::uint64_t>(repetitions));
  EXPECT_EQ(report.system.last, SYS_futex);
  EXPECT_EQ(report.calls.allocations, 0U);
  EXPECT_EQ(report.calls.locks, 0U);
}

// Of the thread that waits in the application's place, and holds one while it looks at all.
TEST(FramePath, takes_the_wait_for_a_descriptor_back_without_a_lock) {
  if (TENSORPOOL_CALLS_WATCHED == 0) GTEST_SKIP() << "sanitizers take locks themselves";
  const Folder folder;
  FrameScene::folder = &folder;
  WakeScene scene;
  std::uint64_t locks = 0;
  for (int i = 0; i < 10 * repetitions; ++i) {
    ASSERT_TRUE(eventually([&] {
      while (scene.consumer.poll([](const Frame&) {}).work() > 0) continue;
      const auto ready = scene.consumer.arm();
      return ready && !*ready;
    }));
    const std::uint64_t before = calls_so_far().locks;
    (void)scene.consumer.poll([](const Frame&) {});
    locks += calls_so_far().locks - before;
  }
  EXPECT_LE(locks, 2U) << "only where that thread stood still in the middle of it";
}

// The negative controls: what must not happen would be seen.
struct Nothing {
  std::mutex mutex;
};
struct NothingStep {
  const char* name;
  bool (*run)(Nothing&);
  bool rare = false;
  bool last = true;
};

Report watch_one(bool (*run)(Nothing&)) {
  SharedReport report;
  const NothingStep step{"the only one", run};
  play_in_a_child<Nothing>(report, std::span<const NothingStep>(&step, 1));
  return *report;
}

class Watched : public ::testing::Test {
 protected:
  void SetUp() override {
    if (TENSORPOOL_CALLS_WATCHED == 0) GTEST_SKIP() << "sanitizers do these things themselves";
  }
};

TEST_F(Watched, a_system_call_is_seen) {
  const Report report = watch_one([](Nothing&) {
    (void)::syscall(SYS_getppid);
    return true;
  });
  if (report.unwatched[0] != '\0') GTEST_SKIP() << report.unwatched;
  EXPECT_EQ(report.system.count, static_cast<std::uint64_t>(repetitions));
  EXPECT_EQ(report.system.last, SYS_getppid);
  EXPECT_STREQ(report.guilty, "the only one");
}

TEST_F(Watched, an_allocation_is_seen) {
  const Report report = watch_one([](Nothing&) {
    auto* volatile kept = new int(3);
    delete kept;
    return true;
  });
  EXPECT_GE(report.calls.allocations, static_cast<std::uint64_t>(repetitions));
}

TEST_F(Watched, a_lock_is_seen) {
  const Report report = watch_one([](Nothing& nothing) {
    const std::lock_guard lock(nothing.mutex);
    return true;
  });
  EXPECT_EQ(report.calls.locks, static_cast<std::uint64_t>(repetitions));
}

TEST_F(Watched, a_log_line_is_seen) {
  const Report report = watch_one([](Nothing&) { return ::write(STDERR_FILENO, "x", 0) != 0; });
  if (report.unwatched[0] != '\0') GTEST_SKIP() << report.unwatched;
  EXPECT_EQ(report.system.last, SYS_write);
}

}  // namespace
}  // namespace tensorpool::integration
