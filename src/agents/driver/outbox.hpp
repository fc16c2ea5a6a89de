// What a driver has to say and could not say yet. Messages of both streams leave in the order in which
// they were put in (DRV-110, DRV-119), so one that finds no room holds up those behind it.
//
// Nothing is ever pushed out by something else: whoever steps the core asks has_room() first, and leaves
// the core alone until there is some. Only announces are soft: one is dropped where its stream is down
// or has no subscriber, and takes the place of a waiting one of the same epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "agents/generation.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "protocol/driver/actions.hpp"
#include "tensorpool/function_ref.hpp"
#include "wire/codec.hpp"
#include "wire/messages.hpp"

namespace tensorpool::agents::driver {

class Outbox {
 public:
  // `patience_ns`: how long a message waits for a first subscriber of the control stream.
  explicit Outbox(base::Nanos patience_ns) noexcept : patience_ns_(patience_ns) {}

  // For everything that one step of a core may ask for.
  bool has_room() const noexcept {
    return messages_.size() + step <= base::limits::driver_unsent &&
           bytes_ <= base::limits::driver_unsent_bytes;
  }
  std::size_t size() const noexcept { return messages_.size(); }
  bool empty() const noexcept { return messages_.empty(); }

  // For the control stream. A message that cannot be encoded is counted as lost, and its fault returned.
  template <class M>
  Result<void> put(const M& message) {
    std::vector<std::byte> bytes;
    if (auto made = encode(message, bytes); !made) return made;
    add({std::move(bytes), M::name, 0});
    return {};
  }
  // For the announce stream; dropped while that is down.
  Result<void> put(const wire::ShmPoolAnnounce& announce);

  // The streams are there or gone. What waits stays, announces excepted.
  void set_up(bool up);

  // Offers what waits, at most limits::driver_sends_per_cycle messages; returns how many are done
  // with. A link that failed is reset, to be added again. `announce` may be the same link.
  // `on_error` is told of messages that can never be sent.
  int flush(base::Nanos now, LinkAdd<transport::Publication>& control,
            LinkAdd<transport::Publication>& announce, FunctionRef<void(const Error&)> on_error);

  // Forgets what waits; counted as lost.
  void give_up();

  // Given up: not encodable, too long, or without a subscriber for longer than the patience.
  std::uint64_t lost() const noexcept { return lost_; }

 private:
  static constexpr std::size_t step = protocol::driver::Actions::capacity;

  struct Message {
    std::vector<std::byte> bytes;
    const char* name = "";
    std::uint32_t announced = 0;  // the stream of an announce; 0: for the control stream
    std::uint64_t epoch = 0;      // of an announce
  };
  enum class Sent : std::uint8_t { done, later, never };

  template <class M>
  Result<void> encode(const M& message, std::vector<std::byte>& bytes) {
    bytes.resize(wire::encoded_size(message));
    if (const auto size = wire::try_encode(message, bytes); !size) {
      ++lost_;
      return fail(size.error().error("driver"));
    }
    return {};
  }
  void add(Message message);
  void pop();
  Sent offer(base::Nanos now, const Message& message, LinkAdd<transport::Publication>& link);
  Sent not_connected(base::Nanos now, const Message& message);

  const base::Nanos patience_ns_;
  std::deque<Message> messages_;  // references survive push_back and pop_front
  std::unordered_map<std::uint32_t, Message*> announces_;  // the waiting one of each stream
  std::size_t bytes_ = 0;
  bool up_ = false;
  base::Nanos alone_since_ns_ =
      0;  // when the control stream was first found without subscriber; 0: it was not
  std::uint64_t lost_ = 0;
};

}  // namespace tensorpool::agents::driver
