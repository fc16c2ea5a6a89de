// The driver inside an application: how it is launched, refused, asked and ended, and that clients of the same
// process exchange frames through it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/support.hpp"
#include "tensorpool/driver.hpp"

namespace tensorpool::integration {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint32_t stream = 10'000;

const std::string small_config = R"([driver]
control_channel = "aeron:ipc?term-length=64k"
control_stream_id = 1000
announce_stream_id = 1001
[policies]
announce_period_ms = 500
shutdown_timeout_ms = 20
shutdown_token = "open sesame"
[profiles.p]
header_nslots = 8
payload_pools = [ { pool_id = 1, stride_bytes = 4096 } ]
[streams.s]
stream_id = 10000
profile = "p"
)";

// What a handler was told, in order. Any thread.
class Told {
 public:
  void operator()(const DriverNotice& notice) {
    const std::lock_guard lock(mutex_);
    events_.push_back(notice.event);
    texts_.emplace_back(notice.text);
    if (notice.event == DriverEvent::lease_granted) leases_.push_back(notice.lease_id);
  }
  std::vector<DriverEvent> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::size_t count(DriverEvent event) const {
    const auto all = events();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), event));
  }
  std::string text_of(DriverEvent event) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (events_[i] == event) return texts_[i];
    }
    return "never told";
  }
  std::vector<std::uint64_t> leases() const {
    const std::lock_guard lock(mutex_);
    return leases_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<DriverEvent> events_;
  std::vector<std::string> texts_;
  std::vector<std::uint64_t> leases_;
};

class DriverApi : public ::testing::Test {
 protected:
  DriverOptions options(Threading threading = Threading::threaded) {
    DriverOptions options;
    options.config_text = small_config;
    options.overrides = {{"shm.base_dir", folder_.regions()}};
    options.aeron_dir = folder_.aeron();
    options.threading = threading;
    options.media_driver_timeout_ns = driver_timeout_ns;
    options.on_notice = [told = told_](const DriverNotice& notice) { (*told)(notice); };
    return options;
  }
  static DriverOptions with(DriverOptions options, const char* key, const std::string& value) {
    options.overrides.emplace_back(key, value);
    return options;
  }
  Driver launch(DriverOptions options) { return Driver::launch(std::move(options)).value(); }

  ClientOptions client_options() {
    ClientOptions options = integration::client_options(folder_);
    options.mode = Mode::driver;
    return options;
  }
  std::vector<std::string> region_paths() {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.regions()))
      paths.push_back(entry.path());
    return paths;
  }

  // Gives the driver its turns, where it has no thread.
  template <class Condition>
  static bool until(Driver& driver, Condition&& done) {
    return eventually([&] {
      (void)driver.do_work();
      return done();
    });
  }
  // Sends frames until the consumer has one, and looks at its bytes.
  static bool exchange(Driver& driver, Producer& producer, Consumer& consumer) {
    std::uint8_t value = 0;
    bool right = false;
    TensorSpec spec;
    spec.dtype = DType::u8;
    spec.shape = {512};
    return until(driver, [&] {
      const std::vector<std::byte> bytes(512, std::byte{++value});
      (void)producer.offer(spec, bytes);
      consumer.poll([&](const Frame& frame) {
        const auto view = frame.view<std::uint8_t, 1>();
        right = view.has_value() && view->extent(0) == 512 && (*view)(0) == (*view)(511) &&
                frame.intact();
      });
      return right;
    });
  }
  template <class Port>
  static Result<Port> take(Driver& driver, Pending<Port> pending) {
    std::optional<Result<Port>> outcome;
    EXPECT_TRUE(until(driver, [&] {
      outcome = pending.poll();
      return outcome.has_value();
    }));
    if (!outcome) return fail(Error::hot(Code::timeout, "take"));
    return std::move(*outcome);
  }

  Folder folder_;
  std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

class Threadings : public DriverApi, public ::testing::WithParamInterface<Threading> {};
INSTANTIATE_TEST_SUITE_P(, Threadings, ::testing::Values(Threading::threaded, Threading::invoked),
                         [](const auto& one) {
                           return one.param == Threading::threaded ? "threaded" : "invoked";
                         });

// Proves: DRV-214, DRV-216
TEST_P(Threadings, producer_and_consumer_of_the_same_process_exchange_frames) {
  Driver driver = launch(options(GetParam()));
  EXPECT_EQ(driver.aeron_dir(), folder_.aeron());
  Client client = connect(client_options());
  auto producer = take(driver, client.producer({.stream = stream}));
  ASSERT_TRUE(producer.has_value()) << producer.error().message();
  auto consumer = take(driver, client.consumer({.stream = stream}));
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message();
  ASSERT_TRUE(exchange(driver, *producer, *consumer));

  const DriverStatus status = driver.status();
  EXPECT_EQ(status.state, DriverState::running);
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.producers, 1U);
  EXPECT_EQ(status.consumers, 1U);
  EXPECT_EQ(status.streams, 1U);
  EXPECT_EQ(status.streams_with_regions, 1U);
  EXPECT_EQ(status.bytes_reserved, 64U + 8 * 256 + 64 + 8 * 4096);
  EXPECT_GT(status.longest_cycle_ns, 0);
  const auto leases = driver.leases();
  ASSERT_EQ(leases.size(), 2U);
  EXPECT_EQ(std::count_if(leases.begin(), leases.end(), [](const auto& l) { return l.producer; }),
            1);
  for (const DriverLease& lease : leases) {
    EXPECT_EQ(lease.stream_id, stream);
    EXPECT_THAT(told_->leases(), Contains(lease.lease_id));
  }
  EXPECT_THAT(driver.warnings(), IsEmpty());
  EXPECT_THAT(driver.configuration(),
              AllOf(HasSubstr("control_stream_id = 1000"), Not(HasSubstr("open sesame"))));
}

// Proves: DRV-210
TEST_P(Threadings, drains_tells_the_clients_and_leaves_the_namespace_free) {
  Driver driver = launch(options(GetParam()));
  ASSERT_TRUE(until(driver, [&] { return driver.status().connected; }));
  std::atomic<int> told_of_the_end{0};
  ClientOptions wanted = client_options();
  wanted.on_notice = [&](const Notice& notice) {
    if (notice.kind == NoticeKind::lease_lost && notice.lease_end == LeaseEnd::shutdown)
      ++told_of_the_end;
  };
  Client client = connect(wanted);
  auto producer = take(driver, client.producer({.stream = stream}));
  ASSERT_TRUE(producer.has_value()) << producer.error().message();

  EXPECT_FALSE(driver.stopped());
  const auto early = driver.wait(1ms);
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().code(), Code::timeout);
  driver.terminate();
  ASSERT_TRUE(driver.wait(patience).has_value());
  EXPECT_TRUE(driver.stopped());
  EXPECT_EQ(driver.status().state, DriverState::stopped);
  EXPECT_EQ(driver.status().bytes_reserved, 0U);
  EXPECT_THAT(driver.leases(), IsEmpty());
  EXPECT_EQ(driver.do_work(), 0);
  EXPECT_EQ(driver.revoke(1, "").error().code(), Code::closed);
  EXPECT_TRUE(eventually([&] { return told_of_the_end == 1; }));

  // Each change once, in this order; `ended` is the last.
  std::vector<DriverEvent> events = told_->events();
  EXPECT_EQ(events.back(), DriverEvent::ended);
  std::erase_if(events, [](DriverEvent event) {
    return event == DriverEvent::lease_granted || event == DriverEvent::lease_ended ||
           event == DriverEvent::regions_created || event == DriverEvent::epochs_removed;
  });
  EXPECT_THAT(events, ElementsAre(DriverEvent::starting, DriverEvent::media_driver_started,
                                  DriverEvent::media_driver_connected, DriverEvent::ready,
                                  DriverEvent::draining, DriverEvent::stopped, DriverEvent::ended));
  EXPECT_THAT(told_->text_of(DriverEvent::starting), HasSubstr(folder_.regions()));

  // The first object is still there, and with it its media driver; the place is free, and the client comes back.
  Driver second = launch(options(GetParam()));
  ASSERT_TRUE(until(second, [&] { return second.status().producers == 1; }));
}

// Proves: DRV-207
TEST_F(DriverApi, a_second_call_ends_the_wait) {
  Driver driver = launch(with(options(), "policies.shutdown_timeout_ms", "86400000"));
  driver.terminate();
  ASSERT_TRUE(eventually([&] { return driver.status().state == DriverState::draining; }));
  EXPECT_FALSE(driver.stopped());
  driver.terminate();
  EXPECT_TRUE(driver.wait(patience).has_value());
}

TEST_P(Threadings, destroying_it_tells_the_clients_and_ends_without_draining) {
  std::optional<Driver> driver(
      launch(with(with(options(GetParam()), "policies.shutdown_timeout_ms", "86400000"),
                  "policies.cleanup_shm_on_exit", "true")));
  // A media driver of the test's own would outlive it; here the client may be told before the connection goes.
  Client client = connect(client_options());
  auto producer = take(*driver, client.producer({.stream = stream}));
  ASSERT_TRUE(producer.has_value()) << producer.error().message();
  EXPECT_GT(test::count_files(folder_.regions()), 1);
  driver.reset();
  EXPECT_EQ(told_->count(DriverEvent::stopped), 1U);
  EXPECT_EQ(told_->events().back(), DriverEvent::ended);
  EXPECT_EQ(test::count_files(folder_.regions(),
                              [](const auto& path) { return path.extension() != ".lock"; }),
            0);
  EXPECT_FALSE(MediaDriver::alive(folder_.aeron()));
  Driver again = launch(options(GetParam()));
}

// Proves: DRV-5
TEST_F(DriverApi, a_second_driver_of_the_namespace_is_refused) {
  Driver driver = launch(options());
  const auto second = Driver::launch(options());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::driver_running);
  EXPECT_THAT(second.error().message(), HasSubstr(std::to_string(::getpid())));
  EXPECT_FALSE(driver.stopped());
  Driver other =
      launch(with(with(options(), "shm.namespace", "other"), "driver.control_stream_id", "1010"));
  EXPECT_TRUE(eventually([&] { return other.status().connected; }));
}

// Nothing is created, the process lives, and the message says what tp_driver would print.
// Proves: CFG-95, CFG-101, CFG-102, CFG-104
TEST_F(DriverApi, what_is_wrong_with_the_configuration_is_an_error) {
  DriverOptions wrong = options();
  wrong.config_text = small_config + "[shm]\npermissions_mode = \"666\"\n";
  wrong.overrides.emplace_back("driver.control_stream_id", "0");
  const auto refused = Driver::launch(wrong);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("config_text:16: shm.permissions_mode = \"666\""),
                    HasSubstr("override: driver.control_stream_id"), HasSubstr("1 to 2147483647")));

  const std::string path = folder_.path() + "/driver.toml";
  std::ofstream(path) << small_config << "[driver\n";
  wrong = options();
  wrong.config_text.reset();
  wrong.config_file = path;
  const auto no_toml = Driver::launch(wrong);
  ASSERT_FALSE(no_toml.has_value());
  EXPECT_EQ(no_toml.error().code(), Code::invalid_file);
  EXPECT_THAT(no_toml.error().message(), HasSubstr(path + ":15"));

  wrong.config_file = folder_.path() + "/missing.toml";
  const auto missing = Driver::launch(wrong);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::system_error);
  EXPECT_THAT(missing.error().message(), HasSubstr("missing.toml"));

  wrong.config_text = small_config;
  const auto both = Driver::launch(wrong);
  ASSERT_FALSE(both.has_value());
  EXPECT_THAT(both.error().message(), HasSubstr("at most one of the two"));

  const auto no_place = Driver::launch(with(options(), "shm.base_dir", folder_.path() + "/none"));
  ASSERT_FALSE(no_place.has_value());
  EXPECT_THAT(no_place.error().message(), HasSubstr("must be an existing directory"));
  DriverOptions no_time = options();
  no_time.media_driver_timeout_ns = 0;
  EXPECT_THAT(Driver::launch(no_time).error().message(), HasSubstr("media_driver_timeout_ns 0"));
  DriverOptions no_such_idle = options();
  no_such_idle.idle = static_cast<Idle>(77);
  EXPECT_THAT(Driver::launch(no_such_idle).error().message(), HasSubstr("idle 77"));

  EXPECT_THAT(region_paths(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder_.aeron()));
  EXPECT_THAT(told_->events(), IsEmpty());
}

TEST_F(DriverApi, what_is_tolerated_is_a_warning) {
  DriverOptions tolerated = options(Threading::invoked);
  *tolerated.config_text += "[shm]\nno_such_key = 1\n";
  const Driver driver = launch(tolerated);
  EXPECT_THAT(driver.warnings(), ElementsAre(HasSubstr("shm.no_such_key")));
}

// An application's environment is its own, but for AERON_DIR, where its clients meet. Here all that runs is this
// thread: drivers are invoked and none is left.
// Proves: CFG-9, CFG-11
TEST_F(DriverApi, variables_count_where_they_are_asked_for) {
  ASSERT_EQ(::setenv("DRIVER_INSTANCE_ID", "of the environment", 1), 0);
  ASSERT_EQ(::setenv("AERON_DIR", folder_.aeron().c_str(), 1), 0);
  DriverOptions plain = options(Threading::invoked);
  plain.aeron_dir.clear();
  plain.config_text->insert(std::string_view("[driver]\n").size(), "aeron_dir = \"/nowhere\"\n");
  {
    const Driver driver = launch(plain);
    EXPECT_THAT(driver.configuration(), HasSubstr("driver-01"));
    EXPECT_EQ(driver.aeron_dir(), folder_.aeron());
  }
  plain.environment = true;
  {
    const Driver driver = launch(plain);
    EXPECT_THAT(driver.configuration(), HasSubstr("of the environment"));
  }
  ::unsetenv("DRIVER_INSTANCE_ID");
  ::unsetenv("AERON_DIR");
}

// The clients' directory is the configured one, and its counters show the driver.
// Proves: CFG-35
TEST_F(DriverApi, the_configured_aeron_directory_is_used) {
  DriverOptions wanted = options();
  wanted.aeron_dir.clear();
  wanted.overrides.emplace_back("driver.aeron_dir", folder_.aeron());
  const Driver driver = launch(wanted);
  EXPECT_EQ(driver.aeron_dir(), folder_.aeron());
  EXPECT_TRUE(eventually([&] {
    const auto counters = transport::aeron::list_counters(folder_.aeron());
    return counters.has_value() &&
           std::any_of(counters->begin(), counters->end(), [](const auto& counter) {
             return counter.label.find("tensorpool driver") != std::string::npos;
           });
  }));
}

TEST_F(DriverApi, media_driver_as_configured) {
  // never: waits for one.
  Driver waiting = launch(with(options(), "driver.embedded_media_driver", "never"));
  EXPECT_FALSE(MediaDriver::alive(folder_.aeron()));
  {
    const MediaDriver media_driver = MediaDriver::launch({.aeron_dir = folder_.aeron()}).value();
    EXPECT_TRUE(eventually([&] { return waiting.status().connected; }));
    EXPECT_EQ(told_->count(DriverEvent::media_driver_started), 0U);

    // always: another one is an error, and so is the namespace free again.
    const auto always =
        with(with(options(), "driver.embedded_media_driver", "always"), "shm.namespace", "always");
    const auto refused = Driver::launch(always);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::rejected);

    // auto: uses it.
    const Driver user = launch(with(options(), "shm.namespace", "auto"));
    EXPECT_EQ(told_->count(DriverEvent::media_driver_started), 0U);
  }
  EXPECT_TRUE(eventually([&] { return told_->count(DriverEvent::media_driver_lost) == 1; }));
  const Driver own = launch(
      with(with(options(), "driver.embedded_media_driver", "always"), "shm.namespace", "own"));
  EXPECT_EQ(told_->count(DriverEvent::media_driver_started), 1U);
  EXPECT_TRUE(MediaDriver::alive(folder_.aeron()));
  EXPECT_TRUE(eventually([&] { return waiting.status().connected; }));
}

// Proves: DRV-92
TEST_F(DriverApi, a_revoked_lease_is_told_and_comes_back) {
  Driver driver = launch(options());
  std::mutex mutex;
  std::string why;
  ClientOptions wanted = client_options();
  wanted.on_notice = [&](const Notice& notice) {
    const std::lock_guard lock(mutex);
    if (notice.kind == NoticeKind::lease_lost && notice.lease_end == LeaseEnd::revoked)
      why = notice.text;
  };
  Client client = connect(wanted);
  const Producer producer = make_producer(client, {.stream = stream});
  const auto leases = driver.leases();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(driver.revoke(leases[0].lease_id + 1, "").error().code(), Code::invalid_argument);
  ASSERT_TRUE(driver.revoke(leases[0].lease_id, "maintenance").has_value());
  EXPECT_EQ(driver.revoke(leases[0].lease_id, "maintenance").error().code(),
            Code::invalid_argument);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return why.find("maintenance") != std::string::npos;
  }));
  EXPECT_TRUE(eventually([&] {
    const auto now = driver.leases();
    return now.size() == 1 && now[0].lease_id != leases[0].lease_id;
  }));
}

// Whoever asks gets its turn beside a driver that never sleeps.
TEST_F(DriverApi, a_driver_that_spins_keeps_nobody_out) {
  DriverOptions spinning = options();
  spinning.idle = Idle::noop;
  Driver driver = launch(spinning);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(driver.status().state, DriverState::running);
  std::vector<std::thread> askers;
  std::atomic<bool> enough{false};
  for (int i = 0; i < 2; ++i) {
    askers.emplace_back([&] {
      while (!enough) (void)driver.leases();
    });
  }
  // And they do not keep it out.
  EXPECT_TRUE(eventually([&] { return driver.status().connected; }));
  enough = true;
  for (std::thread& asker : askers) asker.join();
}

// What a handler may do, and what it may not.
TEST_P(Threadings, calls_inside_a_handler) {
  std::optional<Driver> driver;
  std::atomic<int> checked{0};
  DriverOptions wanted = options(GetParam());
  wanted.on_notice = [&](const DriverNotice& notice) {
    if (notice.event != DriverEvent::ready) return;
    const bool good = driver->status().connected && driver->leases().empty() &&
                      driver->do_work() == 0 && !driver->stopped() &&
                      driver->wait(1s).error().code() == Code::in_callback &&
                      driver->revoke(1, "").error().code() == Code::in_callback;
    checked = good ? 1 : -1;
    driver->terminate();
  };
  // Invoked first: the handler must find the driver in its place.
  const bool threaded = GetParam() == Threading::threaded;
  if (threaded) wanted.overrides.emplace_back("driver.embedded_media_driver", "never");
  driver.emplace(launch(wanted));
  std::optional<MediaDriver> media_driver;
  if (threaded) media_driver.emplace(MediaDriver::launch({.aeron_dir = folder_.aeron()}).value());
  ASSERT_TRUE(driver->wait(patience).has_value());
  EXPECT_EQ(checked, 1);
  driver.reset();
}

TEST_P(Threadings, destroyed_inside_a_handler) {
  const bool threaded = GetParam() == Threading::threaded;
  auto driver = std::make_shared<std::optional<Driver>>();
  DriverOptions wanted = options(GetParam());
  wanted.on_notice = [told = told_, driver](const DriverNotice& notice) {
    (*told)(notice);
    if (notice.event == DriverEvent::ready) driver->reset();
  };
  if (threaded) wanted.overrides.emplace_back("driver.embedded_media_driver", "never");
  driver->emplace(launch(wanted));
  std::optional<MediaDriver> media_driver;
  if (threaded) {
    media_driver.emplace(MediaDriver::launch({.aeron_dir = folder_.aeron()}).value());
  } else {
    // Of a call that is under way: the object is gone when it returns.
    Driver& there = **driver;
    ASSERT_TRUE(eventually([&] {
      if (driver->has_value()) (void)there.do_work();
      return !driver->has_value();
    }));
  }
  EXPECT_TRUE(eventually([&] { return told_->count(DriverEvent::ended) == 1; }));
  // The namespace is free.
  EXPECT_TRUE(eventually([&] { return Driver::launch(options()).has_value(); }));
}

TEST_F(DriverApi, moves) {
  Driver driver = launch(options());
  Driver other = std::move(driver);
  EXPECT_TRUE(driver.stopped());  // NOLINT(bugprone-use-after-move): says so
  EXPECT_EQ(driver.do_work(), 0);
  EXPECT_EQ(driver.aeron_dir(), "");
  EXPECT_EQ(driver.status().state, DriverState::stopped);
  driver.terminate();
  EXPECT_FALSE(other.stopped());
  // The one that was there ends first.
  other = launch(with(options(), "shm.namespace", "other"));
  EXPECT_EQ(told_->count(DriverEvent::ended), 1U);
  EXPECT_THAT(other.configuration(), HasSubstr("other"));
  Driver again = launch(options());
}

TEST_F(DriverApi, every_event_has_a_name) {
  for (int i = 0; i <= static_cast<int>(DriverEvent::error); ++i)
    EXPECT_EQ(name(static_cast<DriverEvent>(i)) == "error",
              i == static_cast<int>(DriverEvent::error))
        << i;
}

#ifndef TENSORPOOL_TSAN  // which does not follow a fork of a process with threads
TEST_P(Threadings, a_forked_child_has_no_driver_and_the_parent_keeps_its_own) {
  std::optional<Driver> driver(launch(options(GetParam())));
  ASSERT_TRUE(until(*driver, [&] { return driver->status().connected; }));
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    int wrong = 0;
    int check = 0;
    const auto expect = [&](bool holds) {
      ++check;
      if (!holds && wrong == 0) wrong = check;
    };
    expect(driver->stopped());
    expect(driver->do_work() == 0);
    expect(driver->status().state == DriverState::stopped);
    expect(driver->leases().empty());
    expect(driver->wait(1s).error().code() == Code::forked);
    expect(driver->revoke(1, "").error().code() == Code::forked);
    driver->terminate();
    const auto here = Driver::launch(options());
    expect(!here && here.error().code() == Code::driver_running);
    {
      DriverOptions elsewhere = with(options(), "shm.namespace", "child");
      elsewhere.overrides.emplace_back("driver.control_stream_id", "1010");
      auto own = Driver::launch(elsewhere);
      expect(own && eventually([&] { return own->status().connected; }));
    }
    driver.reset();
    ::_exit(wrong);
  }
  int status = -1;
  ASSERT_TRUE(until(*driver, [&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(driver->stopped());
  EXPECT_TRUE(driver->status().connected);
  Client client = connect(client_options());
  EXPECT_TRUE(take(*driver, client.producer({.stream = stream})).has_value());
  EXPECT_TRUE(client.close().has_value());
  driver->terminate();
  EXPECT_TRUE(driver->wait(patience).has_value());
}
#endif

}  // namespace
}  // namespace tensorpool::integration
