// Announces and region files as they are seen from outside: by whoever listens and opens the files.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <set>

#include "integration/frames.hpp"
#include "integration/support.hpp"
#include "shm/create.hpp"
#include "shm/layout.hpp"
#include "shm/uri.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "unit/transport/connect_now.hpp"
#include "wire/codec.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 900;
constexpr std::uint32_t slots = 16;

// A superblock, read with read() and not through a mapping.
struct Superblock {
  std::array<std::byte, shm::superblock_bytes> bytes{};
  off_t file_bytes = -1;  // -1: there is no such file

  template <class T>
  T at(shm::FieldAt field) const {
    T value{};
    std::memcpy(&value, bytes.data() + field.offset, sizeof value);
    return value;
  }
};

Superblock read_superblock(const std::string& path) {
  Superblock block;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return block;
  if (::pread(fd, block.bytes.data(), block.bytes.size(), 0) ==
      static_cast<ssize_t>(block.bytes.size()))
    block.file_bytes = ::lseek(fd, 0, SEEK_END);
  ::close(fd);
  return block;
}

void write_pid(const std::string& path, std::uint64_t pid) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::pwrite(fd, &pid, sizeof pid, shm::superblock_at::pid.offset),
            static_cast<ssize_t>(sizeof pid));
  ::close(fd);
}

// Listens to announces.
class Ear {
 public:
  explicit Ear(const Folder& folder) : transport_(transport::aeron::make_transport()) {
    transport::ConnectOptions options;
    options.directory = folder.aeron();
    connection_ = transport::connect_now(*transport_, options).value();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto add = connection_
                   ->add_subscription("aeron:ipc?term-length=64k", 1001,
                                      deadline.time_since_epoch().count(), nullptr)
                   .value();
    const bool ready = eventually([&] {
      subscription_ = add->poll().value();
      return subscription_ != nullptr;
    });
    if (!ready) throw std::runtime_error("no subscription");
  }

  // The next announce of `epoch`, waiting for it.
  std::optional<wire::ShmPoolAnnounce> next(std::uint64_t epoch) {
    return wait_for([epoch](const auto& announce) { return announce.epoch == epoch; });
  }
  // The first announce of a higher epoch, waiting for it.
  std::optional<wire::ShmPoolAnnounce> next_above(std::uint64_t epoch) {
    return wait_for([epoch](const auto& announce) { return announce.epoch > epoch; });
  }

 private:
  template <class Wanted>
  std::optional<wire::ShmPoolAnnounce> wait_for(Wanted&& wanted) {
    std::optional<wire::ShmPoolAnnounce> heard;
    (void)eventually([&] {
      (void)subscription_->poll_assembled(
          [&](const transport::Fragment& message) {
            auto announce = wire::try_decode<wire::ShmPoolAnnounce>(message.data);
            if (announce && wanted(*announce)) heard = std::move(*announce);
          },
          1);
      return heard.has_value();
    });
    return heard;
  }

  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Subscription> subscription_;
};

class Regions : public ::testing::Test {
 protected:
  Producer produce() {
    return make_producer(client_, producer_options(world_.folder(), stream, slots, frame_strides));
  }
  static std::vector<std::string> paths_of(const wire::ShmPoolAnnounce& announce) {
    std::vector<std::string> paths{shm::parse_uri(announce.header_region_uri).value().path};
    for (const wire::PayloadPool& pool : announce.payload_pools)
      paths.push_back(shm::parse_uri(pool.region_uri).value().path);
    return paths;
  }

  World world_;
  Ear ear_{world_.folder()};
  Client client_ = connect(client_options(world_.folder()));
};

// Whoever hears the first announce finds every region whole.
// Proves: STR-32, STR-29, STR-30, STR-31
TEST_F(Regions, are_complete_when_they_are_first_announced) {
  std::uint64_t last_epoch = 0;
  for (int life = 0; life < 5; ++life) {
    auto pending =
        client_.producer(producer_options(world_.folder(), stream, slots, frame_strides));
    const auto announce = ear_.next_above(last_epoch);
    ASSERT_TRUE(announce);
    const std::vector<std::string> paths = paths_of(*announce);
    ASSERT_EQ(paths.size(), 1 + frame_strides.size());
    EXPECT_EQ(announce->header_slot_bytes, 256);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const Superblock block = read_superblock(paths[i]);
      EXPECT_EQ(paths[i].front(), '/');
      EXPECT_EQ(block.at<std::uint64_t>(shm::superblock_at::magic), shm::region_magic);
      EXPECT_EQ(block.at<std::uint64_t>(shm::superblock_at::epoch), announce->epoch);
      EXPECT_EQ(block.at<std::uint32_t>(shm::superblock_at::nslots), announce->header_nslots);
      const std::uint64_t slot_bytes = i == 0 ? shm::header_slot_bytes : frame_strides[i - 1];
      EXPECT_EQ(static_cast<std::uint64_t>(block.file_bytes),
                shm::superblock_bytes + slots * slot_bytes);
      if (i > 0) {
        EXPECT_EQ(announce->payload_pools[i - 1].pool_nslots, announce->header_nslots);
      }
    }
    last_epoch = announce->epoch;
    ASSERT_TRUE(pending.wait(patience));
  }
}

// Canonical places, activity at the cadence of announces, a higher epoch on every start.
// Proves: CON-48, STR-213
TEST_F(Regions, of_a_producer_lie_in_the_canonical_place_and_show_its_life) {
  std::uint64_t last_epoch = 0;
  for (int life = 0; life < 2; ++life) {
    Producer producer = produce();
    (void)producer.state();
    const std::uint64_t epoch = producer.statistics().epoch;
    EXPECT_GT(epoch, last_epoch);
    last_epoch = epoch;
    const auto announce = ear_.next(epoch);
    ASSERT_TRUE(announce);
    const std::vector<std::string> paths = paths_of(*announce);
    const std::string ending = "/default/900/" + std::to_string(epoch) + "/";
    EXPECT_TRUE(paths[0].starts_with(world_.folder().regions() + "/tensorpool-"));
    EXPECT_TRUE(paths[0].ends_with(ending + "header.ring")) << paths[0];
    EXPECT_TRUE(paths[1].ends_with(ending + "1.pool")) << paths[1];
    for (const std::string& path : paths) {
      const auto activity = [&] {
        return read_superblock(path).at<std::uint64_t>(shm::superblock_at::activity_timestamp_ns);
      };
      const std::uint64_t before = activity();
      EXPECT_GT(before, 0U);
      EXPECT_TRUE(eventually([&] { return activity() > before; })) << path;
    }
    EXPECT_TRUE(ear_.next(epoch));  // again and again
    EXPECT_TRUE(ear_.next(epoch));
  }
}

// Proves: STR-2, STR-212, SHM-77
TEST_F(Regions, that_change_their_writer_are_given_up_until_a_higher_epoch) {
  Client reader = connect(client_options(world_.folder()));
  Consumer consumer = make_consumer(reader, consumer_options(stream));
  Producer producer = produce();
  ASSERT_TRUE(until_active(consumer));
  (void)producer.state();
  const std::uint64_t epoch = producer.statistics().epoch;
  const std::vector<std::string> paths = paths_of(ear_.next(epoch).value());
  const auto pid = read_superblock(paths[1]).at<std::uint64_t>(shm::superblock_at::pid);
  write_pid(paths[1], pid + 1);
  ASSERT_TRUE(eventually([&] { return consumer.state() != PortState::active; }));
  write_pid(paths[1], pid);
  // It stays away from this epoch for longer than it remembers other epochs.
  for (int heard = 0; heard < 8; ++heard) {
    ASSERT_TRUE(ear_.next(epoch));
    ASSERT_NE(consumer.state(), PortState::active) << heard;
  }
  producer.close();
  Producer successor = produce();
  ASSERT_TRUE(until_active(consumer));
  EXPECT_GT(consumer.statistics().epoch, epoch);
}

}  // namespace
}  // namespace tensorpool::integration
