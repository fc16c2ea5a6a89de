// As many ports as a client holds, made, used and closed in any order, by one thread or several, while the media driver
// stands still, dies and returns and while the client closes. What is asked for may fail; nothing is freed twice, used
// behind its end or lost track of, which is the sanitizers' to see, and that room is left in the end is the test's.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "integration/peer.hpp"
#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t first_stream = 9000;
constexpr std::size_t streams =
    base::limits::ports_per_client / 2;  // a producer and a consumer each
constexpr std::int64_t frame_bytes = 64;

using Random = std::mt19937;
bool one_in(Random& random, unsigned n) { return random() % n == 0; }

// One port: nothing, asked for, or there, perhaps with a claim or a view of it.
template <class Port, class Held>
struct Place {
  std::optional<Pending<Port>> pending;
  unsigned patience = 0;  // looks until the request is dropped, whatever becomes of it
  std::optional<Port> port;
  std::optional<Held> held;

  void ask(Random& random, Pending<Port> asked) {
    held.reset();
    pending.emplace(std::move(asked));
    patience = one_in(random, 8) ? random() % 64 : ~0U;
  }

  // True once there is a port to work with.
  bool get() {
    if (port) return true;
    if (!pending) return false;
    if (patience-- == 0) {
      pending.reset();
      return false;
    }
    auto outcome = pending->poll();
    if (!outcome) return false;
    pending.reset();
    if (!*outcome) return false;
    port.emplace(std::move(**outcome));
    return true;
  }
  void let_go(Random& random) {
    // What it holds goes first, or outlives it.
    if (one_in(random, 2)) held.reset();
    if (one_in(random, 2)) port->close();
    port.reset();
  }
};

// Some of the streams, with one thread that works on them.
class Ports {
 public:
  Ports(const Folder& folder, unsigned seed, std::size_t first, std::size_t last)
      : folder_(folder), random_(seed), first_(first), places_(last - first) {}

  // One action on one of them.
  void turn(Client& client) {
    const std::size_t i = random_() % places_.size();
    auto& [producer, consumer] = places_[i];
    const auto stream = static_cast<std::uint32_t>(first_stream + first_ + i);
    if (one_in(random_, 2)) {
      if (producer.get()) {
        work(producer);
      } else if (!producer.pending && one_in(random_, 2)) {
        ProducerOptions options = producer_options(folder_, stream, 4, {256});
        options.wake_waiters = one_in(random_, 2);
        producer.ask(random_, client.producer(std::move(options)));
      }
    } else if (consumer.get()) {
      work(consumer);
    } else if (!consumer.pending && one_in(random_, 2)) {
      consumer.ask(random_, client.consumer(consumer_options(stream)));
    }
  }
  void close() { places_.clear(); }
  std::uint64_t closed() const { return closed_; }
  std::uint64_t delivered() const { return delivered_; }

 private:
  using ProducerPlace = Place<Producer, Slot>;
  using ConsumerPlace = Place<Consumer, FrameView>;

  static TensorSpec spec() {
    TensorSpec spec;
    spec.dtype = DType::u8;
    spec.shape = Dims{frame_bytes};
    return spec;
  }
  void work(ProducerPlace& place) {
    if (one_in(random_, 100)) {
      ++closed_;
      return place.let_go(random_);
    }
    if (place.held) {
      if (one_in(random_, 2)) (void)place.held->commit();
      place.held.reset();
      return;
    }
    auto claimed = place.port->claim(spec());
    if (claimed) place.held.emplace(std::move(*claimed));
  }
  void work(ConsumerPlace& place) {
    Consumer& consumer = *place.port;
    if (one_in(random_, 100)) {
      ++closed_;
      return place.let_go(random_);
    }
    if (place.held) {
      if (one_in(random_, 2) && place.held->finish() == Outcome::delivered) ++delivered_;
      place.held.reset();
      return;
    }
    switch (random_() % 6) {
      case 0:
        delivered_ += static_cast<std::uint64_t>(consumer.poll([](const Frame&) {}).delivered);
        return;
      case 1:
        (void)consumer.wait(std::chrono::microseconds(100));
        return;
      case 2:
        (void)consumer.arm();
        return;
      case 3:
        consumer.on_event([&](const Event&) {
          if (one_in(random_, 50)) consumer.close();
        });
        return;
      default: {
        auto view = one_in(random_, 2) ? consumer.next() : consumer.latest();
        if (view) place.held.emplace(std::move(*view));
      }
    }
  }

  const Folder& folder_;
  Random random_;
  std::size_t first_;
  std::vector<std::pair<ProducerPlace, ConsumerPlace>> places_;
  std::atomic<std::uint64_t> closed_{0};  // read by others
  std::uint64_t delivered_ = 0;
};

// What was closed a moment ago goes with the next duty cycles.
template <class Port, class Ask>
void expect_one_more(Client& client, std::vector<Port>& ports, Ask&& ask) {
  EXPECT_TRUE(eventually([&] {
    (void)client.do_work();
    auto made = ask().wait(patience);
    if (made) {
      ports.push_back(std::move(*made));
      return true;
    }
    EXPECT_EQ(made.error().code(), Code::limit_exceeded) << made.error().message();
    return made.error().code() != Code::limit_exceeded;
  })) << "there is room for "
      << ports.size() << " only";
}

// All that a client can hold, at once: what was closed has left nothing behind.
void expect_room(const Folder& folder, Client& client) {
  std::vector<Producer> producers;
  std::vector<Consumer> consumers;
  for (std::size_t i = 0; i < streams && !::testing::Test::HasFailure(); ++i) {
    const auto stream = static_cast<std::uint32_t>(first_stream + 1000 + i);
    expect_one_more(client, producers,
                    [&] { return client.producer(producer_options(folder, stream, 4, {256})); });
    expect_one_more(client, consumers, [&] { return client.consumer(consumer_options(stream)); });
  }
  EXPECT_EQ(producers.size(), streams);
  EXPECT_EQ(consumers.size(), streams);
}

class ManyPorts : public ::testing::Test {
 protected:
  ClientOptions options(Threading threading) {
    ClientOptions options = client_options(folder_);
    options.threading = threading;
    // Short enough that a media driver which stands still loses its clients in the middle of what they do.
    options.media_driver_timeout_ns = 300'000'000;
    options.announce_period_ns = 20'000'000;
    return options;
  }
  void start() { driver_.emplace("drive", folder_, first_stream, 4U); }
  // What happens to the media driver, in turn.
  void disturb(int round) {
    switch (round % 4) {
      case 0:
        return driver_->pause();
      case 1:
        return driver_->resume();
      case 2:
        driver_->kill();
        return start();
      default:
        (void)driver_->close();
        return start();
    }
  }
  // The client has a media driver that answers, and time.
  Client patient(Threading threading) {
    ClientOptions options = client_options(folder_);
    options.threading = threading;
    options.announce_period_ns = 50'000'000;
    return connect(options);
  }

  Folder folder_;
  std::optional<Peer> driver_;
};

// So much of it, or what a second allows.
template <class Condition>
void at_most_a_second(Condition&& condition) {
  (void)eventually(condition, 1s);
}

TEST_F(ManyPorts, of_an_invoked_client_come_and_go_while_the_media_driver_does) {
  start();
  std::uint64_t closed = 0;
  for (unsigned life = 0; life < 3; ++life) {
    SCOPED_TRACE(life);
    Client client = connect(options(Threading::invoked));
    Ports ports(folder_, life, 0, streams);
    for (int round = 0; round < 2; ++round) {
      const std::uint64_t before = ports.closed();
      at_most_a_second([&] {
        for (int turn = 0; turn < 8; ++turn) ports.turn(client);
        (void)client.do_work();
        return ports.closed() > before + 20;
      });
      disturb(2 * static_cast<int>(life) + round);
    }
    // Closed first, or outlived by its ports and requests, or by nothing.
    if (life == 1) {
      ASSERT_TRUE(client.close());
      for (int turn = 0; turn < 200; ++turn) ports.turn(client);
    }
    closed += ports.closed();
    if (life == 2) ports.close();
  }
  EXPECT_GT(closed, 0U);
}

TEST_F(ManyPorts, of_a_threaded_client_come_and_go_in_several_threads) {
  start();
  std::uint64_t closed = 0;
  for (unsigned life = 0; life < 3; ++life) {
    SCOPED_TRACE(life);
    std::optional<Client> client(connect(options(Threading::threaded)));
    std::atomic<bool> over{false};
    std::array<std::unique_ptr<Ports>, 2> ports;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      ports[i] = std::make_unique<Ports>(folder_, 100 * life + static_cast<unsigned>(i),
                                         i * streams / 2, (i + 1) * streams / 2);
      threads.emplace_back([&, i] {
        while (!over.load()) {
          ports[i]->turn(*client);
          std::this_thread::yield();
        }
        if (i == 0) ports[i]->close();
      });
    }
    for (int round = 0; round < 2; ++round) {
      const std::uint64_t before = ports[0]->closed();
      at_most_a_second([&] { return ports[0]->closed() > before + 10; });
      disturb(2 * static_cast<int>(life) + round);
    }
    if (life == 1) {
      EXPECT_TRUE(client->close());  // under their hands
    }
    over.store(true);
    for (std::thread& thread : threads) thread.join();
    for (const auto& one : ports) closed += one->closed();
    if (life == 2) client.reset();
  }
  EXPECT_GT(closed, 0U);
}

TEST_F(ManyPorts, leave_room_for_as_many_again) {
  start();
  for (const Threading threading : {Threading::invoked, Threading::threaded}) {
    Client client = patient(threading);
    Ports ports(folder_, 7, 0, streams);
    EXPECT_TRUE(eventually([&] {
      for (int turn = 0; turn < 8; ++turn) ports.turn(client);
      (void)client.do_work();
      return ports.closed() >= 2 * streams && ports.delivered() > 0;
    }));
    ports.close();
    expect_room(folder_, client);
    ASSERT_TRUE(client.close());
  }
}

}  // namespace
}  // namespace tensorpool::integration
