// The agent of the driver when something is in its way: streams without room, a media driver that dies,
// files that cannot be made, and its own end.
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "unit/agents/driver/support.hpp"

namespace tensorpool::agents::driver::test {
namespace {

using DriverTroubleTest = DriverRig;
namespace limits = base::limits;

// --- Streams without room.

// What found no room is sent later, all of it, in its order; keepalives are heard meanwhile.
// Proves: DRV-91, DRV-98
TEST_F(DriverTroubleTest, SendsLaterWhatFindsNoRoom) {
  start();
  RawClient& c = client();
  const ShmAttachResponse kept = attach(c, Role::consumer, 7);
  const ShmAttachResponse lost = attach(c, Role::producer, 8, other_stream);
  gate->answer[control.stream_id] = transport::back_pressured;
  c.heard.clear();
  const ShmAttachRequest late = request(Role::consumer, 9);
  EXPECT_TRUE(c.send(late));
  for (int i = 0; i < 8; ++i) {
    run_for(500 * ms);
    EXPECT_TRUE(c.send(keepalive(kept, Role::consumer, 7)));
  }
  EXPECT_TRUE(c.all<ShmAttachResponse>().empty());
  EXPECT_EQ(count(Count::expired), 2U);  // 8, and 9 which never heard of its lease
  EXPECT_GT(driver->status().unsent, 2U);

  gate->answer[control.stream_id] = 0;
  ASSERT_TRUE(until([&] { return driver->status().unsent == 0; }));
  run_for(10 * ms);
  const auto answer = c.answer<ShmAttachResponse>(late.correlation_id);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code, ResponseCode::ok);
  ASSERT_TRUE(revoked(c, lost).has_value());
  EXPECT_EQ(revoked(c, lost)->reason, LeaseRevokeReason::expired);
  EXPECT_LT(c.place<ShmAttachResponse>([](const auto&) { return true; }),
            c.place<ShmLeaseRevoked>([&](const auto& m) { return m.client_id == 9; }));
  EXPECT_FALSE(revoked(c, kept).has_value());
  EXPECT_EQ(driver->status().lost_messages, 0U);
}

// One announce of each stream waits at most, the latest; those of an older epoch stay where they are.
TEST_F(DriverTroubleTest, LetsAnnouncesOfOneEpochTakeEachOthersPlace) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::consumer, 7);
  run_for(10 * ms);
  c.heard.clear();
  gate->answer[control.stream_id] = transport::back_pressured;
  for (int i = 0; i < 20; ++i) {
    run_for(500 * ms);
    EXPECT_TRUE(c.send(keepalive(lease, Role::consumer, 7)));
  }
  EXPECT_GE(count(Count::announces), 10U);
  EXPECT_EQ(driver->status().unsent, 1U);
  gate->answer[control.stream_id] = 0;
  ASSERT_TRUE(until([&] { return !c.all<wire::ShmPoolAnnounce>().empty(); }));
  const auto announced = c.all<wire::ShmPoolAnnounce>().front();
  EXPECT_GT(announced.announce_timestamp_ns + static_cast<std::uint64_t>(sec + 10 * ms),
            static_cast<std::uint64_t>(clock.monotonic_ns()));
}

// At its bound the driver hears no requests, says so once, and decides nothing that it could not say; keepalives
// still count. Whoever asks again afterwards is answered.
TEST_F(DriverTroubleTest, HearsNoRequestsWhileItCannotAnswer) {
  start();
  RawClient& c = client();
  const ShmAttachResponse kept = attach(c, Role::consumer, 7);
  const ShmAttachResponse silent = attach(c, Role::consumer, 8);
  gate->answer[control.stream_id] = transport::back_pressured;
  ShmAttachRequest refused = request(Role::consumer, 0);
  while (driver->status().shed_requests == 0) {
    for (int i = 0; i < 10; ++i) (void)c.send(refused);
    step(10 * ms / 10);
    if (clock.monotonic_ns() % (500 * ms) == 0) (void)c.send(keepalive(kept, Role::consumer, 7));
    ASSERT_LT(driver->status().unsent, limits::driver_unsent);
  }
  EXPECT_GE(driver->status().unsent + 16, limits::driver_unsent);
  EXPECT_NE(told(NoticeKind::error).find("1000"), std::string::npos) << told(NoticeKind::error);
  const std::size_t errors = driver->status().errors;
  for (int i = 0; i < 10; ++i) {
    run_for(500 * ms);
    EXPECT_TRUE(c.send(keepalive(kept, Role::consumer, 7)));
    EXPECT_TRUE(c.send(request(Role::producer, 9)));
  }
  EXPECT_EQ(driver->status().errors, errors);  // once
  EXPECT_LE(driver->status().unsent, limits::driver_unsent);
  EXPECT_EQ(count(Count::expired), 0U);
  EXPECT_EQ(driver->status().producers, 0U);

  gate->answer[control.stream_id] = 0;
  ASSERT_TRUE(until([&] { return driver->status().unsent == 0; }));
  ASSERT_TRUE(until([&] { return revoked(c, silent).has_value(); }));
  EXPECT_EQ(attach(c, Role::producer, 9).code, ResponseCode::ok);
  EXPECT_FALSE(revoked(c, kept).has_value());
  EXPECT_EQ(driver->status().lost_messages, 0U);
}

// A link that failed is made again, and what waits goes out on the new one.
TEST_F(DriverTroubleTest, ReplacesALinkThatFailed) {
  start();
  RawClient& c = client();
  for (const transport::Position why :
       {transport::publication_closed, transport::max_position_exceeded}) {
    const int before = gate->publications[control.stream_id];
    gate->answer[control.stream_id] = why;
    const ShmAttachRequest wanted = request(Role::consumer, 7);
    EXPECT_TRUE(c.send(wanted));
    ASSERT_TRUE(until([&] { return gate->publications[control.stream_id] > before; }));
    gate->answer[control.stream_id] = 0;
    ASSERT_TRUE(
        until([&] { return c.answer<ShmAttachResponse>(wanted.correlation_id).has_value(); }));
  }
}

TEST_F(DriverTroubleTest, GivesUpWhatCanNeverBeSentAndSaysSo) {
  start();
  RawClient& c = client();
  gate->answer[control.stream_id] = transport::publication_error;
  EXPECT_TRUE(c.send(request(Role::consumer, 0)));
  ASSERT_TRUE(until([&] { return driver->status().lost_messages == 1; }));
  const std::string text = told(NoticeKind::error);
  for (const char* part : {"ShmAttachResponse", "stream 1000", "term-length"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  gate->answer[control.stream_id] = 0;
  EXPECT_EQ(attach(c, Role::consumer, 7).code, ResponseCode::ok);
}

// Where nobody hears the control stream, answers wait for a while; announces without a subscriber
// concern nobody and hold up nothing.
TEST_F(DriverTroubleTest, WaitsForASubscriberOnlySoLong) {
  DriverOptions wanted = options();
  wanted.announce.stream_id = 1001;
  start(wanted);
  RawClient& c = client();
  gate->answer[1001] = transport::not_connected;
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  EXPECT_EQ(lease.code, ResponseCode::ok);
  run_for(100 * ms);
  EXPECT_EQ(driver->status().unsent, 0U);
  EXPECT_GT(gate->offers[1001], 0);

  gate->answer[control.stream_id] = transport::not_connected;
  EXPECT_TRUE(c.send(request(Role::consumer, 0)));
  run_for(900 * ms);
  EXPECT_GE(driver->status().unsent, 1U);
  run_for(200 * ms);
  EXPECT_EQ(driver->status().unsent, 0U);
  EXPECT_EQ(driver->status().lost_messages, 1U);
}

// --- The media driver dies.

// Leases survive as long as their deadlines, and all is announced again as soon as somebody may hear it.
TEST_F(DriverTroubleTest, SurvivesItsMediaDriver) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  auto mapped = map(lease);
  TP_ASSERT_OK(mapped);
  run_for(100 * ms);
  network.kill_media_driver(aeron_dir);
  ASSERT_TRUE(until([&] { return !driver->status().connected; }));
  run_for(sec);
  c.heard.clear();
  EXPECT_TRUE(network.start_media_driver(aeron_dir));
  ASSERT_TRUE(until([&] { return driver->status().connected && c.ready(); }, sec));
  EXPECT_TRUE(c.send(keepalive(lease, Role::producer, 7)));
  ASSERT_TRUE(until(
      [&] {
        return c.find<wire::ShmPoolAnnounce>([&](const auto& a) { return a.epoch == lease.epoch; })
            .has_value();
      },
      1100 * ms));
  run_for(2 * sec);
  EXPECT_FALSE(revoked(c, lease).has_value());
  EXPECT_EQ(driver->status().producers, 1U);
  TP_ASSERT_OK(mapped->recheck(*lease.epoch));
  run_for(300 * ms);
  EXPECT_EQ(counter("producer leases"), 1);
}

// The deadline passes while nobody hears anything. Its notice waits for the next media driver.
// Proves: DRV-91
TEST_F(DriverTroubleTest, TellsLaterWhatEndedWithoutAMediaDriver) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  run_for(100 * ms);
  network.kill_media_driver(aeron_dir);
  ASSERT_TRUE(until([&] { return driver->status().producers == 0; }, 10 * sec));
  run_for(20 * sec);
  EXPECT_LT(driver->status().unsent, 5U);  // announces do not pile up
  EXPECT_TRUE(network.start_media_driver(aeron_dir));
  ASSERT_TRUE(until([&] { return revoked(c, lease).has_value() || c.ready(); }, 5 * sec));
  run_for(2 * sec);
  EXPECT_TRUE(revoked(c, lease).has_value());
  EXPECT_TRUE(c.find<wire::ShmPoolAnnounce>([&](const auto& a) {
                 return a.epoch > *lease.epoch;
               }).has_value());
}

TEST_F(DriverTroubleTest, WaitsForAMediaDriverAtItsStart) {
  network.kill_media_driver(aeron_dir);
  start();
  run_for(3 * sec);
  EXPECT_FALSE(driver->status().connected);
  EXPECT_TRUE(network.start_media_driver(aeron_dir));
  RawClient& c = client();
  EXPECT_EQ(attach(c, Role::producer, 7).code, ResponseCode::ok);
  EXPECT_EQ(told(NoticeKind::connected), aeron_dir);
}

// The process stood still for longer than any lease lasts; the keepalives that wait are heard first.
TEST_F(DriverTroubleTest, HearsWhatWaitedBeforeItExpiresAnything) {
  start();
  RawClient& c = client();
  std::vector<ShmAttachResponse> leases;
  for (std::uint32_t id = 1; id <= 30; ++id) leases.push_back(attach(c, Role::consumer, id));
  for (std::uint32_t id = 1; id <= 30; ++id)
    EXPECT_TRUE(c.send(keepalive(leases[id - 1], Role::consumer, id)));
  clock.advance(5 * sec);
  run_for(100 * ms);
  EXPECT_EQ(count(Count::expired), 0U);
  EXPECT_EQ(driver->status().consumers, 30U);
}

// --- Files.

// Proves: DRV-153, DRV-184, DRV-185
TEST_F(DriverTroubleTest, CollectsAndTriesAgainWhenThereIsNoSpace) {
  start();
  RawClient& c = client();
  const auto before = file_system.calls[Op::reserve];
  file_system.fail_at(Op::reserve, before, Error(Code::no_space, "fallocate", "full"));
  EXPECT_EQ(attach(c, Role::producer, 7).code, ResponseCode::ok);  // the second try
  EXPECT_EQ(reported(Event::regions_failed), 0);

  file_system.change_info = [](base::FileSystemInfo& info) { info.available_bytes = 100; };
  const ShmAttachResponse refused = attach(c, Role::producer, 8, other_stream);
  EXPECT_EQ(refused.code, ResponseCode::internal_error);
  EXPECT_EQ(refused.error_message.rfind("failed to provision SHM: ", 0), 0U)
      << refused.error_message;
  for (const char* part : {"no_space", "100"})
    EXPECT_NE(refused.error_message.find(part), std::string::npos) << refused.error_message;
  EXPECT_EQ(reported(Event::regions_failed), 1);
  file_system.change_info = {};
  EXPECT_EQ(attach(c, Role::producer, 8, other_stream).code, ResponseCode::ok);
}

// Proves: DRV-150, DRV-59
TEST_F(DriverTroubleTest, SaysWhyRegionsCannotBeMade) {
  DriverOptions wanted = options();
  wanted.regions.mlock = true;
  start(wanted);
  RawClient& c = client();
  struct Case {
    Op op;
    Error error;
    const char* word;
  };
  const Case cases[] = {
      {Op::lock, Error::system("mlock", ENOMEM, "raise RLIMIT_MEMLOCK"), "mlock"},
      {Op::make_directory, Error(Code::permission_rejected, "mkdirat", "not allowed"),
       "permission_rejected"},
      {Op::map, Error::system("mmap", ENOMEM, "no address space"), "mmap"},
      {Op::sync, Error::system("fsync", EIO, "broken"), "fsync"},
  };
  std::uint32_t id = 10;
  for (const Case& one : cases) {
    file_system.fail_at(one.op, file_system.calls[one.op], one.error);
    const ShmAttachResponse refused = attach(c, Role::producer, id++);
    EXPECT_EQ(refused.code, ResponseCode::internal_error) << one.word;
    EXPECT_NE(refused.error_message.find(one.word), std::string::npos) << refused.error_message;
    EXPECT_EQ(files(), 0) << one.word;
    EXPECT_EQ(file_system.mapped_bytes, 0) << one.word;
  }
  EXPECT_EQ(attach(c, Role::producer, id).code, ResponseCode::ok);
}

// The regions of the next epoch cannot be made: the old ones are let go, memory that was locked included.
TEST_F(DriverTroubleTest, LetsGoOfRegionsThatNothingFollows) {
  DriverOptions wanted = options();
  wanted.regions.mlock = true;
  start(wanted);
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  EXPECT_GT(file_system.mapped_bytes, 0);
  file_system.fail_at(Op::sync, file_system.calls[Op::sync], Error::system("fsync", EIO, "broken"));
  EXPECT_TRUE(c.send(detach(lease, Role::producer, 7)));
  ASSERT_TRUE(until([&] { return file_system.mapped_bytes == 0; }));
  EXPECT_EQ(driver->status().streams_with_regions, 0U);
  EXPECT_EQ(driver->status().bytes_reserved, 0U);
  EXPECT_EQ(attach(c, Role::producer, 8).code, ResponseCode::ok);
}

// Old epochs go while producers come and go, and the current one never does.
// Proves: DRV-180, DRV-181, DRV-182
TEST_F(DriverTroubleTest, RemovesOldEpochsAsProducersComeAndGo) {
  start();
  RawClient& c = client();
  for (std::uint32_t id = 1; id <= 4; ++id) {
    const ShmAttachResponse lease = attach(c, Role::producer, id);
    ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
    const ShmDetachRequest bye = detach(lease, Role::producer, id);
    EXPECT_TRUE(c.send(bye));
    ASSERT_TRUE(until([&] { return c.answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
    run_for(4 * sec);
  }
  EXPECT_GE(count(Count::epochs_removed), 4U);
  EXPECT_EQ(count(Count::removals_failed), 0U);
  const ShmAttachResponse last = attach(c, Role::consumer, 9);
  TP_ASSERT_OK(map(last));
  EXPECT_LE(files(), 3 * 4);
}

// A flood of producers that come and go leaves many epochs, all of them young. When it is over they go, although
// nobody comes any more.
TEST_F(DriverTroubleTest, RemovesWhatAFloodOfProducersLeft) {
  start();
  RawClient& c = client();
  for (std::uint32_t id = 1; id <= 10; ++id) {
    const ShmAttachResponse lease = attach(c, Role::producer, id);
    ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
    const ShmDetachRequest bye = detach(lease, Role::producer, id);
    EXPECT_TRUE(c.send(bye));
    ASSERT_TRUE(until([&] { return c.answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
  }
  EXPECT_EQ(files(), 20 * 3) << "of a ring and two pools each";
  run_for(4 * sec);
  EXPECT_EQ(files(), 2 * 3) << "the current epoch and the one before it";
  EXPECT_EQ(count(Count::removals_failed), 0U);
  TP_ASSERT_OK(map(attach(c, Role::consumer, 99)));
}

// Streams that a former driver made on demand, and half a creation that it died in, are recognised.
// Proves: DRV-183, DRV-186
TEST_F(DriverTroubleTest, CollectsWhatAFormerDriverLeft) {
  DriverOptions wanted = options();
  wanted.core.allow_dynamic_streams = true;
  wanted.core.stream_id_range = {{20'000, 20'010}};
  wanted.core.epoch_gc_on_startup = true;
  wanted.core.epoch_gc_keep = 1;
  file_system.pid = 77;
  start(wanted);
  RawClient& c = client();
  ShmAttachRequest dynamic = request(Role::consumer, 7, 0);
  dynamic.publish_mode = wire::driver::PublishMode::existing_or_create;
  EXPECT_EQ(attach(c, dynamic).code, ResponseCode::ok);
  EXPECT_EQ(files(), 3);
  EXPECT_TRUE(c.send(request(Role::producer, 8)));
  ASSERT_TRUE(until([&] { return files() > 3; }));  // and dies in the middle of it
  file_system.pid = 78;
  file_system.alive = [](std::uint64_t id) { return id == 78; };
  driver.reset();
  EXPECT_EQ(file_system.open_files, 0);

  const std::string half = namespace_dir() + "/" + std::to_string(stream) + "/5";
  std::filesystem::create_directories(half);
  clients.clear();
  network.kill_media_driver(aeron_dir);  // with requests that a new subscriber might still hear
  run_for(5 * sec);                      // the age of A10
  EXPECT_TRUE(network.start_media_driver(aeron_dir));
  clock.advance(20 * 365LL * 24 * 3600 * sec);  // of the directory's time, which is real
  start(wanted);
  EXPECT_TRUE(until([&] { return files() == 0 && !std::filesystem::exists(half); }));
  // The namespace, and the lock with its directory.
  EXPECT_TRUE(until([&] { return file_system.open_files == 3; })) << file_system.open_files;
}

// --- The end.

// Proves: DRV-206, DRV-207, DRV-210, DRV-193
TEST_F(DriverTroubleTest, DrainsTellsAndStops) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  run_for(10 * ms);
  c.heard.clear();
  driver->terminate();
  ASSERT_TRUE(until([&] { return !c.all<wire::ShmPoolAnnounce>().empty(); }, 100 * ms));
  EXPECT_EQ(attach(c, Role::consumer, 8).error_message, "driver draining");
  EXPECT_TRUE(c.send(keepalive(lease, Role::producer, 7)));
  run_for(1800 * ms);
  EXPECT_FALSE(driver->stopped());
  EXPECT_TRUE(c.all<ShmDriverShutdown>().empty());
  ASSERT_TRUE(until([&] { return driver->stopped(); }, sec));
  run_for(10 * ms);
  ASSERT_EQ(c.all<ShmDriverShutdown>().size(), 1U);
  EXPECT_EQ(c.all<ShmDriverShutdown>().front().reason, wire::driver::ShutdownReason::normal);
  EXPECT_EQ(driver->do_work(), 0);
  EXPECT_EQ(driver->status().state, State::stopped);
  EXPECT_EQ(files(), 3);  // not asked to remove them
  EXPECT_EQ(file_system.mapped_bytes, 0);
  EXPECT_EQ(reported(Event::stopped), 1);
}

TEST_F(DriverTroubleTest, EndsAtOnceWhenToldTwice) {
  start();
  RawClient& c = client();
  (void)attach(c, Role::consumer, 7);
  driver->terminate();
  driver->terminate();
  ASSERT_TRUE(until([&] { return driver->stopped(); }, 100 * ms));
  run_for(10 * ms);
  EXPECT_EQ(c.all<ShmDriverShutdown>().size(), 1U);
}

// Proves: DRV-155
TEST_F(DriverTroubleTest, RemovesItsFilesAtTheEndWhereAsked) {
  DriverOptions wanted = options();
  wanted.core.cleanup_shm_on_exit = true;
  start(wanted);
  RawClient& c = client();
  (void)attach(c, Role::producer, 7);
  (void)attach(c, Role::consumer, 8, other_stream);
  EXPECT_EQ(files(), 6);
  // A creation in the middle of its work when the end comes.
  EXPECT_TRUE(c.send(request(Role::producer, 9, big_stream)));
  ASSERT_TRUE(until([&] { return files() > 7; }));
  driver->terminate();
  driver->terminate();
  ASSERT_TRUE(until([&] { return driver->stopped(); }, sec));
  EXPECT_EQ(files(), 0);
  EXPECT_EQ(file_system.mapped_bytes, 0);
}

// Proves: DRV-60
TEST_F(DriverTroubleTest, LeavesNothingOfACreationThatItsEndInterrupts) {
  start();
  RawClient& c = client();
  EXPECT_TRUE(c.send(request(Role::producer, 9, big_stream)));
  ASSERT_TRUE(until([&] { return files() > 3; }));
  driver.reset();
  EXPECT_EQ(files(), 0);
  EXPECT_EQ(file_system.mapped_bytes, 0);
  EXPECT_EQ(file_system.open_files, 0);
}

TEST_F(DriverTroubleTest, StopsWithoutAMediaDriver) {
  start();
  RawClient& c = client();
  (void)attach(c, Role::producer, 7);
  network.kill_media_driver(aeron_dir);
  ASSERT_TRUE(until([&] { return !driver->status().connected; }));
  driver->terminate();
  ASSERT_TRUE(until([&] { return driver->stopped(); }, 4 * sec));
  EXPECT_GT(driver->status().lost_messages, 0U);
}

// A stream that never gets room again does not keep it from ending, nor does a full outbox without a media driver.
TEST_F(DriverTroubleTest, EndsThoughNothingCanBeSaid) {
  for (const bool lost : {false, true}) {
    start();
    RawClient& c = client();
    (void)attach(c, Role::consumer, 7);
    gate->answer[control.stream_id] = transport::back_pressured;
    while (driver->status().shed_requests == 0) {
      for (int i = 0; i < 10; ++i) (void)c.send(request(Role::consumer, 0));
      step();
    }
    if (lost) {
      network.kill_media_driver(aeron_dir);
      ASSERT_TRUE(until([&] { return !driver->status().connected; }));
    }
    driver->terminate();
    ASSERT_TRUE(until([&] { return driver->stopped(); }, 8 * sec)) << lost;
    EXPECT_GT(driver->status().lost_messages, 0U);
    driver.reset();
    clients.clear();
    gate->answer.clear();
    run_for(sec);
  }
}

}  // namespace
}  // namespace tensorpool::agents::driver::test
