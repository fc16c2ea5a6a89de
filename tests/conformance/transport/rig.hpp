// What the conformance suite needs of an implementation: a media driver that can be killed and
// started again, and time that passes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "transport/image_log.hpp"
#include "transport/transport.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::conformance {

// A counter as an outsider sees it.
struct SeenCounter {
  std::int32_t type_id = 0;
  std::int64_t value = 0;
  std::string label;
  std::vector<std::byte> key;
  std::int64_t owner_id = 0;
};

class Rig {
 public:
  virtual ~Rig() = default;
  virtual transport::Transport& transport() = 0;
  virtual transport::ConnectOptions options() const = 0;
  virtual base::Nanos now() const = 0;
  // Lets a little time pass; the media driver works if the test has to drive it.
  virtual void turn() = 0;
  virtual void kill_driver() = 0;
  virtual void start_driver() = 0;
  virtual std::vector<SeenCounter> counters() = 0;
};

struct RigFactory {
  const char* name;
  std::unique_ptr<Rig> (*make)();
  friend void PrintTo(const RigFactory& rig, std::ostream* out) { *out << rig.name; }
};
std::vector<RigFactory> rigs();
inline std::string rig_name(const ::testing::TestParamInfo<RigFactory>& rig) {
  return rig.param.name;
}

std::unique_ptr<Rig> make_aeron_rig(bool invoked);

// A test with one rig. Waiting is driving: the test's connections and its rig, until a condition
// holds or far more time has passed than any implementation needs.
class TransportTest : public ::testing::TestWithParam<RigFactory> {
 protected:
  static constexpr base::Nanos patience_ns = 60'000'000'000;
  // Small terms, so that a test rotates them; every test has a media driver to itself.
  const std::string channel_ = "aeron:ipc?term-length=64k";
  const std::int32_t stream_ = 1001;

  void SetUp() override {
    rig_ = GetParam().make();
    ASSERT_NE(rig_, nullptr);
  }
  void TearDown() override {
    connections_.clear();
    rig_.reset();
  }

  transport::Connection& connect() {
    auto connection = transport::connect_now(rig_->transport(), rig_->options());
    if (!connection) {
      ADD_FAILURE() << connection.error().message();
      std::abort();
    }
    connections_.push_back(std::move(*connection));
    return *connections_.back();
  }

  void turn() {
    for (const auto& connection : connections_) (void)connection->do_work();
    rig_->turn();
  }
  template <class Condition>
  [[nodiscard]] bool wait(Condition&& condition) {
    const base::Nanos deadline = rig_->now() + patience_ns;
    while (!condition()) {
      if (rig_->now() >= deadline) return false;
      turn();
    }
    return true;
  }
  // Lets at least this much time pass, whatever happens in it.
  void pass(base::Nanos duration) {
    const base::Nanos until = rig_->now() + duration;
    (void)wait([&] { return rig_->now() >= until; });
  }
  base::Nanos deadline() const { return rig_->now() + patience_ns; }

  // Polls an add to its end.
  template <class T>
  Result<std::unique_ptr<T>> finish(Result<std::unique_ptr<transport::Add<T>>> add) {
    if (!add) return fail(std::move(add.error()));
    Result<std::unique_ptr<T>> outcome;
    (void)wait([&] {
      outcome = (*add)->poll();
      return !outcome || *outcome != nullptr;
    });
    return outcome;
  }
  std::unique_ptr<transport::Publication> publish(transport::Connection& connection,
                                                  std::int32_t stream) {
    auto added = finish(connection.add_publication(channel_, stream, deadline()));
    EXPECT_TRUE(added) << added.error().message();
    return added ? std::move(*added) : nullptr;
  }
  std::unique_ptr<transport::Subscription> subscribe(transport::Connection& connection,
                                                     std::int32_t stream,
                                                     const std::string& channel = "aeron:ipc",
                                                     transport::ImageLog* log = nullptr) {
    auto added = finish(connection.add_subscription(channel, stream, deadline(), log));
    EXPECT_TRUE(added) << added.error().message();
    return added ? std::move(*added) : nullptr;
  }
  // Until the publication can send and the subscription has an image.
  [[nodiscard]] bool linked(const transport::Publication& publication,
                            const transport::Subscription& subscription, int images = 1) {
    return wait([&] { return publication.is_connected() && subscription.image_count() >= images; });
  }

  // Sends, retrying what is to be retried; `meanwhile` is done before every attempt.
  [[nodiscard]] bool send(transport::Publication& publication, std::span<const std::byte> message) {
    return send(publication, message, [] {});
  }
  template <class Meanwhile>
  [[nodiscard]] bool send(transport::Publication& publication, std::span<const std::byte> message,
                          Meanwhile&& meanwhile) {
    return wait([&] {
      meanwhile();
      transport::Position position = transport::admin_action;
      while (position == transport::admin_action) position = publication.offer(message);
      EXPECT_TRUE(position > 0 || position == transport::back_pressured ||
                  position == transport::not_connected)
          << position;
      return position > 0;
    });
  }

  std::unique_ptr<Rig> rig_;
  std::vector<std::unique_ptr<transport::Connection>> connections_;
};

// A message of `size` bytes that says which one it is.
inline std::vector<std::byte> numbered(std::uint32_t number, std::size_t size) {
  std::vector<std::byte> message(size);
  for (std::size_t i = 0; i < size; ++i) {
    message[i] = i < 4 ? static_cast<std::byte>(number >> (8U * i))
                       : static_cast<std::byte>((number * 31U + i * 7U) & 0xFFU);
  }
  return message;
}
inline std::uint32_t number_of(std::span<const std::byte> message) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4 && i < message.size(); ++i) {
    number |= static_cast<std::uint32_t>(message[i]) << (8U * i);
  }
  return number;
}

}  // namespace tensorpool::conformance
