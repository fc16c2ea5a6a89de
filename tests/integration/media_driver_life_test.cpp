// The life of the media driver beside running producers and consumers: late, restarted, killed, away,
// robbed of its directory, paused, raced for. Clients say what happens, rebuild what lies underneath,
// keep their books, and lose only the frames of that time.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "integration/frames.hpp"
#include "integration/peer.hpp"
#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 1700;
constexpr std::uint32_t slots = 64;

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// A producer and a consumer of one invoked client, in this process: every duty cycle is timed.
class Invoked {
 public:
  explicit Invoked(const Folder& folder, std::int64_t timeout_ns = driver_timeout_ns)
      : client_(connect(options(folder, timeout_ns))),
        pending_producer_(
            client_.producer(producer_options(folder, stream + 1, slots, frame_strides))),
        pending_consumer_(client_.consumer(consumer_options(stream + 1))) {}

  // One round of everything.
  void turn() {
    const std::int64_t before = now_ns();
    (void)client_.do_work();
    longest_ns_ = std::max(longest_ns_, now_ns() - before);
    if (!producer_) producer_ = take(pending_producer_);
    if (!consumer_) consumer_ = take(pending_consumer_);
    if (producer_) {
      const std::uint64_t seq = producer_->statistics().next_seq;
      auto slot = producer_->claim(spec_of(seq));
      if (slot) {
        fill(slot->bytes(), seq);
        (void)slot->commit();
      }
    }
    if (consumer_) {
      (void)consumer_->poll([&](const Frame& frame) {
        const bool right = is_right(frame.info(), frame.bytes());
        if (frame.intact() && !right) ++wrong_;
      });
    }
  }
  bool complete() const { return producer_ && consumer_; }
  bool resting() {
    return producer_->state() == PortState::reattaching &&
           consumer_->state() == PortState::reattaching;
  }
  std::uint64_t delivered() const { return consumer_->statistics().delivered; }
  bool flows() {
    const std::uint64_t before = complete() ? delivered() : 0;
    return eventually([&] {
      turn();
      return complete() && delivered() >= before + 50;
    });
  }
  Client& client() { return client_; }
  Pending<Producer>& pending() { return pending_producer_; }
  std::int64_t longest_ns() const { return longest_ns_; }
  int told(NoticeKind kind) { return notices_[kind]; }
  const std::string& text(NoticeKind kind) { return texts_[kind]; }
  std::string all_errors() const {
    std::string all;
    for (const std::string& text : errors_) all += text + "\n";
    return all;
  }
  // How many errors were told that hold `word`. On a crowded machine a media driver may be too slow for
  // an add, which is an error, too.
  int errors_with(const std::string& word) const {
    return static_cast<int>(std::count_if(
        errors_.begin(), errors_.end(),
        [&](const std::string& text) { return text.find(word) != std::string::npos; }));
  }
  void expect_clean() {
    EXPECT_EQ(wrong_, 0U);
    EXPECT_TRUE(producer_->statistics().balanced());
    EXPECT_TRUE(consumer_->statistics().balanced());
    EXPECT_EQ(producer_->statistics().sessions, 1U);  // never mapped anew
    EXPECT_EQ(consumer_->statistics().sessions, 1U);
    EXPECT_LT(longest_ns_, driver_timeout_ns / 2);
  }

 private:
  ClientOptions options(const Folder& folder, std::int64_t timeout_ns) {
    ClientOptions options = client_options(folder);
    options.threading = Threading::invoked;
    options.media_driver_timeout_ns = timeout_ns;
    options.on_notice = [this](const Notice& notice) {
      ++notices_[notice.kind];
      texts_[notice.kind] = notice.text;
      if (notice.kind == NoticeKind::error) errors_.emplace_back(notice.text);
    };
    return options;
  }
  template <class T>
  static std::optional<T> take(Pending<T>& pending) {
    auto outcome = pending.poll();
    if (!outcome) return std::nullopt;
    return std::move(*outcome).value();
  }

  std::map<NoticeKind, int> notices_;
  std::map<NoticeKind, std::string> texts_;
  std::vector<std::string> errors_;
  Client client_;
  Pending<Producer> pending_producer_;
  Pending<Consumer> pending_consumer_;
  std::optional<Producer> producer_;
  std::optional<Consumer> consumer_;
  std::int64_t longest_ns_ = 0;
  std::uint64_t wrong_ = 0;
};

class MediaDriverLife : public ::testing::Test {
 protected:
  void start() { driver_.emplace("drive", folder_, stream, slots); }
  // A producer and a consumer in processes of their own, with threaded clients, and an invoked client
  // here; all with frames on their way.
  void start_clients() {
    writer_.emplace("produce", folder_, stream, slots);
    reader_.emplace("consume", folder_, stream, slots);
    here_.emplace(folder_);
    writer_->ask("run");
  }
  // Waits for something about all clients while the invoked one keeps working.
  bool all(const std::function<bool()>& condition) {
    return eventually([&] {
      here_->turn();
      return condition();
    });
  }
  bool flows() {
    const std::uint64_t before = reader_->stats()["delivered"];
    return all([&] { return reader_->stats()["delivered"] >= before + 50; }) && here_->flows();
  }
  bool told_connected(std::uint64_t times) {
    return all([&] {
      return reader_->stats()["told_connected"] == times &&
             writer_->stats()["told_connected"] == times &&
             here_->told(NoticeKind::connected) == static_cast<int>(times);
    });
  }
  bool at_rest() {
    return all([&] {
      Peer::Books reader = reader_->stats();
      Peer::Books writer = writer_->stats();
      return reader["resting"] == 1 && writer["resting"] == 1 && reader["connected"] == 0 &&
             writer["connected"] == 0 && here_->client().state() == ClientState::connecting &&
             here_->resting();
    });
  }
  // One frame at a time, so that none is overwritten: every one arrives.
  void expect_lossless() {
    writer_->ask("pause");
    // What is on its way arrives first; a frame that nobody was told of does not.
    ASSERT_TRUE(all([&] {
      const std::uint64_t last = writer_->ask("publish 1")["next_seq"] - 1;
      for (int tries = 0; tries < 100; ++tries)
        if (reader_->stats()["last_seq"] == last) return true;
      return false;
    }));
    Peer::Books before = reader_->stats();
    for (std::uint64_t sent = 1; sent <= 30; ++sent) {
      writer_->ask("publish 1");
      ASSERT_TRUE(all([&] { return reader_->stats()["delivered"] == before["delivered"] + sent; }));
    }
    Peer::Books after = reader_->stats();
    EXPECT_EQ(after["lost"], before["lost"]);
    EXPECT_EQ(after["overwritten"], before["overwritten"]);
  }
  // What holds at the end of every story: nothing was mapped anew, no total began again.
  void expect_clean() {
    expect_lossless();
    here_->expect_clean();
    Peer::Books reader = reader_->close();
    EXPECT_EQ(reader["wrong"], 0U);
    EXPECT_EQ(reader["balanced"], 1U);
    EXPECT_EQ(reader["sessions"], 1U);
    Peer::Books writer = writer_->close();
    EXPECT_EQ(writer["errors"], 0U);
    EXPECT_EQ(writer["balanced"], 1U);
    EXPECT_EQ(writer["sessions"], 1U);
    EXPECT_EQ(writer["open"], 0U);
  }

  Folder folder_;
  std::optional<Peer> driver_;
  std::optional<Peer> writer_;
  std::optional<Peer> reader_;
  std::optional<Invoked> here_;
};

// Proves: CON-6
TEST_F(MediaDriverLife, begins_after_its_clients) {
  ClientOptions options = client_options(folder_);
  Client threaded = connect(options);
  auto pending = threaded.producer(producer_options(folder_, stream, slots, frame_strides));
  here_.emplace(folder_);
  EXPECT_EQ(threaded.state(), ClientState::connecting);
  const auto refused = pending.wait(std::chrono::milliseconds(300));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::no_media_driver);
  EXPECT_NE(refused.error().message().find("there is no " + folder_.aeron() + "/cnc.dat"),
            std::string::npos)
      << refused.error().message();
  for (int i = 0; i < 100; ++i) here_->turn();
  EXPECT_FALSE(here_->complete());
  EXPECT_EQ(here_->told(NoticeKind::error), 0);
  start();
  EXPECT_TRUE(pending.wait(patience));
  EXPECT_EQ(threaded.state(), ClientState::connected);
  EXPECT_TRUE(here_->flows());
  here_->expect_clean();
}

TEST_F(MediaDriverLife, ends_cleanly_and_begins_anew) {
  start();
  start_clients();
  ASSERT_TRUE(flows());
  for (std::uint64_t life = 2; life <= 3; ++life) {
    (void)driver_->close();
    EXPECT_FALSE(std::filesystem::exists(folder_.aeron()));
    start();
    ASSERT_TRUE(told_connected(life));
    ASSERT_TRUE(flows());
  }
  expect_clean();
}

TEST_F(MediaDriverLife, is_cut_off_and_another_begins_at_once_in_its_directory) {
  start();
  start_clients();
  ASSERT_TRUE(flows());
  for (std::uint64_t life = 2; life <= 3; ++life) {
    driver_->kill();
    start();
    ASSERT_TRUE(told_connected(life));
    ASSERT_TRUE(flows());
  }
  EXPECT_EQ(here_->told(NoticeKind::connection_lost), 2);
  expect_clean();
}

TEST_F(MediaDriverLife, is_cut_off_and_away_for_longer_than_the_timeout) {
  start();
  start_clients();
  ASSERT_TRUE(flows());
  Peer::Books before = writer_->stats();
  driver_->kill();
  ASSERT_TRUE(at_rest());
  EXPECT_EQ(here_->told(NoticeKind::connection_lost), 1);
  EXPECT_EQ(here_->text(NoticeKind::connection_lost),
            "the media driver died or dropped this client");
  Peer::Books away = writer_->stats();
  EXPECT_GE(away["claimed"], before["claimed"]);
  EXPECT_EQ(away["balanced"], 1U);
  EXPECT_EQ(reader_->stats()["balanced"], 1U);
  // Resting costs nothing: no sequence number is spent while nothing can be claimed.
  EXPECT_EQ(writer_->stats()["next_seq"], away["next_seq"]);
  start();
  ASSERT_TRUE(told_connected(2));
  ASSERT_TRUE(flows());
  EXPECT_GT(writer_->stats()["published"], away["published"]);
  expect_clean();
}

TEST_F(MediaDriverLife, is_robbed_of_its_directory_and_another_begins_there) {
  start();
  start_clients();
  ASSERT_TRUE(flows());
  std::filesystem::remove_all(folder_.aeron());
  Peer successor("drive", folder_, stream, slots);
  ASSERT_TRUE(told_connected(2));
  EXPECT_EQ(here_->text(NoticeKind::connection_lost), "the media driver was replaced");
  ASSERT_TRUE(flows());
  // Its end does not take the successor's files along.
  (void)driver_->close();
  EXPECT_TRUE(eventually([&] { return MediaDriver::alive(folder_.aeron()); }));
  ASSERT_TRUE(flows());
  expect_clean();
  (void)successor.close();
}

TEST_F(MediaDriverLife, stands_still_for_longer_than_the_timeout_and_goes_on) {
  start();
  start_clients();
  ASSERT_TRUE(flows());
  driver_->pause();
  ASSERT_TRUE(at_rest());
  driver_->resume();
  ASSERT_TRUE(told_connected(2));
  ASSERT_TRUE(flows());
  expect_clean();
}

// It looks alive and never answers: connecting succeeds, every add waits, and nothing waits for them.
// Proves: CON-6
TEST_F(MediaDriverLife, looks_alive_and_does_not_answer) {
  start();
  driver_->pause();
  constexpr std::int64_t long_timeout_ns = 60'000'000'000;
  here_.emplace(folder_, long_timeout_ns);
  ASSERT_TRUE(all([&] { return here_->client().state() == ClientState::connected; }));
  const std::int64_t since = now_ns();
  ASSERT_TRUE(all([&] { return now_ns() - since > long_timeout_ns / 60; }));
  EXPECT_FALSE(here_->complete());
  EXPECT_LT(here_->longest_ns(), long_timeout_ns / 4);
  driver_->resume();
  ASSERT_TRUE(here_->flows());
  here_->expect_clean();
}

// An embedded one and a separate one, started at once in the same directory; in every other round the
// separate one has a head start.
TEST_F(MediaDriverLife, is_raced_for_and_has_one_winner) {
  for (int round = 0; round < 6; ++round) {
    std::optional<Result<MediaDriver>> embedded;
    std::thread racer([&] {
      if (round % 2 == 1) {
        (void)eventually([&] { return std::filesystem::exists(folder_.aeron() + ".starting"); });
      }
      embedded.emplace(MediaDriver::launch({.aeron_dir = folder_.aeron()}));
    });
    std::optional<Peer> separate;
    try {
      separate.emplace("drive", folder_, stream, slots);
    } catch (const std::runtime_error&) {  // it lost
    }
    // The separate one may have come and gone before the embedded one looked for its start.
    std::ofstream(folder_.aeron() + ".starting", std::ios::app).flush();
    racer.join();
    std::filesystem::remove(folder_.aeron() + ".starting");
    EXPECT_NE(embedded->has_value(), separate.has_value()) << round;
    EXPECT_TRUE(eventually([&] { return MediaDriver::alive(folder_.aeron()); }));
    if (!*embedded) {
      EXPECT_EQ(embedded->error().code(), Code::rejected);
      EXPECT_NE(embedded->error().message().find("process"), std::string::npos);
    }
  }
  start();
  const auto late = MediaDriver::launch({.aeron_dir = folder_.aeron()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::rejected);
  EXPECT_NE(late.error().message().find("(process " + std::to_string(driver_->pid()) + ")"),
            std::string::npos)
      << late.error().message();
}

// What a dead one left is replaced; what nobody can judge is named once and kept.
TEST_F(MediaDriverLife, left_a_directory_behind) {
  start();
  driver_->kill();
  ASSERT_TRUE(std::filesystem::exists(folder_.aeron() + "/cnc.dat"));
  here_.emplace(folder_);
  for (int i = 0; i < 100; ++i) here_->turn();
  EXPECT_EQ(here_->client().state(), ClientState::connecting);
  EXPECT_EQ(here_->told(NoticeKind::error), 0);  // waiting may help
  std::filesystem::resize_file(folder_.aeron() + "/cnc.dat", 4096);
  for (int i = 0; i < 100; ++i) here_->turn();
  std::ofstream(folder_.aeron() + "/cnc.dat") << std::string(1U << 20U, '\xEE');
  ASSERT_TRUE(all([&] { return here_->errors_with(folder_.aeron() + "/cnc.dat") == 1; }));
  EXPECT_EQ(here_->errors_with("remove the file"), 1);
  const auto refused = MediaDriver::launch({.aeron_dir = folder_.aeron()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  std::filesystem::remove(folder_.aeron() + "/cnc.dat");
  start();
  ASSERT_TRUE(here_->flows()) << here_->all_errors();
  EXPECT_EQ(here_->errors_with("cnc.dat"), 1);
  here_->expect_clean();
}

struct Held {
  std::size_t descriptors = 0;
  std::size_t mappings = 0;  // of files below the test's folder, deleted ones included
  std::size_t threads = 0;
  Held or_more(const Held& other) const {
    return {std::max(descriptors, other.descriptors), std::max(mappings, other.mappings),
            std::max(threads, other.threads)};
  }
  bool within(const Held& other) const {
    return descriptors <= other.descriptors && mappings <= other.mappings &&
           threads <= other.threads;
  }
};

std::size_t entries(const char* directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

Held held_now(const std::string& folder) {
  Held held;
  held.descriptors = entries("/proc/self/fd");
  held.threads = entries("/proc/self/task");
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    held.mappings += line.find(folder) == std::string::npos ? 0U : 1U;
  return held;
}

// A client that lived through many media drivers holds no more than after the first, and its counters
// go on where they were.
TEST_F(MediaDriverLife, leaves_nothing_behind_in_its_clients) {
  start();
  std::atomic<int> connected{0};
  ClientOptions options = client_options(folder_);
  options.on_notice = [&](const Notice& notice) {
    if (notice.kind == NoticeKind::connected) ++connected;
  };
  Client client = connect(std::move(options));
  Producer producer =
      make_producer(client, producer_options(folder_, stream, slots, frame_strides));
  Consumer consumer = make_consumer(client, consumer_options(stream));
  const auto more = [&](std::uint64_t count) {
    const std::uint64_t wanted = consumer.statistics().delivered + count;
    return eventually([&] {
      const std::uint64_t seq = producer.statistics().next_seq;
      if (auto slot = producer.claim(spec_of(seq))) {
        fill(slot->bytes(), seq);
        (void)slot->commit();
      }
      (void)consumer.poll([](const Frame&) {});
      return consumer.statistics().delivered >= wanted;
    });
  };
  ASSERT_TRUE(more(50));
  // The most that the first life needs: links come one after the other.
  Held first;
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(more(1));
    first = first.or_more(held_now(folder_.aeron()));
  }
  EXPECT_GT(first.mappings, 0U);
  for (int life = 2; life <= 5; ++life) {
    const std::uint64_t published = producer.statistics().published;
    driver_->kill();
    start();
    ASSERT_TRUE(eventually([&] { return connected == life; }));
    ASSERT_TRUE(more(50));
    EXPECT_GT(producer.statistics().published, published);
  }
  Held last;
  EXPECT_TRUE(eventually([&] {
    (void)more(1);  // what was lent comes back when the ports look
    last = held_now(folder_.aeron());
    return last.within(first);
  })) << "descriptors "
      << first.descriptors << " -> " << last.descriptors << ", mappings " << first.mappings
      << " -> " << last.mappings << ", threads " << first.threads << " -> " << last.threads;
  const auto total = static_cast<std::int64_t>(consumer.statistics().delivered);
  EXPECT_TRUE(eventually([&] {
    const auto counters = transport::aeron::list_counters(folder_.aeron());
    if (!counters) return false;
    return std::any_of(counters->begin(), counters->end(), [&](const auto& counter) {
      return counter.label.starts_with("tensorpool consumer delivered ") && counter.value == total;
    });
  }));
}

}  // namespace
}  // namespace tensorpool::integration
