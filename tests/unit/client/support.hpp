// A media driver and folders of a test's own, and clients in them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "tensorpool/tensorpool.hpp"

namespace tensorpool::client_test {

using namespace std::chrono_literals;

inline constexpr std::uint32_t stream = 10'000;
using test::patience;

using TempDir = tensorpool::test::Folder;

// Folders without a media driver until start().
struct Deployment {
  void start() {
    auto launched = MediaDriver::launch({.aeron_dir = aeron_dir()});
    ASSERT_TRUE(launched) << launched.error().message();
    driver.emplace(std::move(*launched));
  }
  std::string aeron_dir() const { return aeron.path() + "/driver"; }

  ClientOptions client_options(Threading threading = Threading::threaded) const {
    ClientOptions options;
    options.mode = Mode::direct;
    options.threading = threading;
    options.aeron_dir = aeron_dir();
    options.allowed_base_dirs = {files.path()};
    options.announce_period_ns = 50'000'000;
    // A media driver that is slow on a crowded machine is not dead.
    options.media_driver_timeout_ns = 30'000'000'000;
    return options;
  }
  ProducerOptions producer_options() const {
    ProducerOptions options;
    options.stream = stream;
    options.base_dir = files.path();
    options.slots = 4;
    options.pools = {{.pool_id = 1, .stride_bytes = 256}};
    return options;
  }
  Client connect(Threading threading = Threading::threaded) const {
    return Client::connect(client_options(threading)).value();
  }

  TempDir aeron{"client"};
  TempDir files{"client"};
  std::optional<MediaDriver> driver;
};

// A producer and a consumer of one stream in one client, both active.
struct Pair {
  Pair(const Deployment& deployment, Client& client)
      : producer(client.producer(deployment.producer_options()).wait(patience).value()),
        consumer(client.consumer({.stream = stream}).wait(patience).value()) {}
  Producer producer;
  Consumer consumer;
};

// Drives the client where it is invoked until `done`.
inline bool until(Client& client, const std::function<bool()>& done) {
  return test::eventually([&] {
    if (done()) return true;
    (void)client.do_work();
    return false;
  });
}

inline TensorSpec spec_of(std::int64_t bytes) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = Dims{bytes};
  return spec;
}

inline Result<Committed> send(Producer& producer, std::uint8_t value) {
  const std::vector<std::byte> bytes(64, static_cast<std::byte>(value));
  return producer.offer(spec_of(64), bytes);
}

// Sends until a consumer is told (its image may come a little later than its mapping), and gives
// that frame.
inline FrameView deliver(Client& client, Producer& producer, Consumer& consumer,
                         std::uint8_t value) {
  EXPECT_TRUE(until(client, [&] { return consumer.state() == PortState::active; }));
  EXPECT_TRUE(until(client, [&] {
    const auto sent = send(producer, value);
    return sent && sent->told == Told::consumers;
  }));
  return consumer.next(patience).value();
}

}  // namespace tensorpool::client_test
