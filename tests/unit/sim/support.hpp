// A network with a media driver, and short ways to get links.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/network.hpp"
#include "transport/image_log.hpp"

namespace tensorpool::sim {

inline std::vector<std::byte> bytes_of(std::uint32_t number, std::size_t size = 48) {
  std::vector<std::byte> message(size);
  for (std::size_t i = 0; i < size; ++i) {
    message[i] = i < 4 ? static_cast<std::byte>(number >> (8U * i))
                       : static_cast<std::byte>((number + i) & 0xFFU);
  }
  return message;
}
inline std::uint32_t number_in(std::span<const std::byte> message) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number |= static_cast<std::uint32_t>(message[i]) << (8U * i);
  return number;
}

struct World {
  explicit World(const NetworkOptions& options = {}, bool invoked = false)
      : network(clock, options), transport(network.make_transport()), invoked_clients(invoked) {
    EXPECT_TRUE(network.start_media_driver(directory));
  }

  std::unique_ptr<transport::Connection> connect() {
    transport::ConnectOptions options;
    options.directory = directory;
    options.invoked = invoked_clients;
    options.driver_timeout_ns = 500'000'000;
    auto connection = transport->connect(options);
    EXPECT_TRUE(connection);
    return std::move(*connection);
  }
  template <class T>
  std::unique_ptr<T> finish(transport::Connection& connection,
                            Result<std::unique_ptr<transport::Add<T>>> add) {
    for (int i = 0; i < 100 && add; ++i) {
      (void)connection.do_work();
      auto polled = (*add)->poll();
      EXPECT_TRUE(polled) << polled.error().message();
      if (!polled || *polled != nullptr) return polled ? std::move(*polled) : nullptr;
      network.advance(100'000);
    }
    ADD_FAILURE() << "no resource";
    return nullptr;
  }
  std::unique_ptr<transport::Publication> publish(transport::Connection& connection,
                                                  std::int32_t stream = 1) {
    return finish(connection, connection.add_publication("aeron:ipc", stream, never()));
  }
  std::unique_ptr<transport::Subscription> subscribe(transport::Connection& connection,
                                                     std::int32_t stream = 1,
                                                     transport::ImageLog* log = nullptr,
                                                     const char* channel = "aeron:ipc") {
    return finish(connection, connection.add_subscription(channel, stream, never(), log));
  }
  Nanos never() const { return network.now() + 1'000'000'000'000; }

  const std::string directory = "/simulated";
  base::ManualClock clock;
  Network network;
  std::unique_ptr<transport::Transport> transport;
  bool invoked_clients;
};

// All whole messages that are there now.
inline std::vector<std::uint32_t> take(transport::Subscription& subscription) {
  std::vector<std::uint32_t> numbers;
  while (subscription.poll_assembled(
             [&](const transport::Fragment& m) { numbers.push_back(number_in(m.data)); }, 10) > 0) {
  }
  return numbers;
}

}  // namespace tensorpool::sim
