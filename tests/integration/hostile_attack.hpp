// What a hostile process says on the control and announce streams: everything that is wrong, old or of somebody
// else, and attaches that are right. Nothing in it ends a lease that is not its own: forged notices are
// threat-model.md's, and forgery_test's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/prng.hpp"
#include "wire/codec.hpp"

namespace tensorpool::integration {

class Attack {
 public:
  using Message = std::vector<std::byte>;

  Attack(std::uint32_t stream, std::uint32_t range_first, std::size_t largest, std::uint64_t seed)
      : stream_(stream), range_first_(range_first), largest_(largest), random_(seed) {
    for (const char* schema : {"control", "driver", "discovery", "merge", "tracelink", "bridge"}) {
      for (const auto& entry :
           std::filesystem::directory_iterator(std::string(TENSORPOOL_CORPUS) + "/" + schema)) {
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text(std::istreambuf_iterator<char>(file), {});
        Message message(text.size());
        if (!text.empty()) std::memcpy(message.data(), text.data(), text.size());
        if (!message.empty()) corpus_.push_back(std::move(message));
      }
    }
  }

  // Something that was said on one of the streams; some of it is said again.
  void heard(std::span<const std::byte> message) {
    if (message.size() > 8192) return;
    if (const auto response = wire::try_decode<wire::driver::ShmAttachResponse>(message)) {
      if (response->lease_id) lease_ = *response->lease_id;
    }
    captured_.emplace_back(message.begin(), message.end());
    if (captured_.size() > 256) captured_.pop_front();
  }

  Message next() {
    Message message = make();
    // Whatever its parts were: it must not be one of the notices that end leases.
    if (wire::try_decode<wire::driver::ShmDriverShutdown>(message)) message.resize(10);
    return message;
  }

 private:
  Message make() {
    const std::uint64_t n = count_++;
    if (n % 200 == 199) return oversized();
    switch (n % 10) {
      case 0:
      case 1:
      case 2:
        return spoiled(corpus_[random_.below(corpus_.size())]);
      case 3:
        return replayed(false);
      case 4:
        return replayed(true);
      case 5:  // of a stream that runs: granted until there are too many
        return attach(stream_, wire::driver::Role::consumer, fresh_id());
      case 6:  // of streams on demand, known and unknown, inside the range and outside
        return attach(range_first_ + small(8), wire::driver::Role(1 + random_.below(2)),
                      fresh_id());
      case 7:
        return detach_or_keepalive();
      case 8:
        return hello();
      default:
        return odd_attach();
    }
  }

  std::uint32_t small(std::uint64_t bound) {
    return static_cast<std::uint32_t>(random_.below(bound));
  }
  std::uint32_t fresh_id() { return static_cast<std::uint32_t>(random_.next()) | 0x8000'0000U; }

  template <class M>
  static Message encoded(const M& message) {
    Message bytes(wire::encoded_size(message));
    if (!wire::try_encode(message, bytes)) bytes.resize(1);
    return bytes;
  }
  static void set16(Message& message, std::size_t at, std::uint64_t value) {
    const auto word = static_cast<std::uint16_t>(value);
    if (message.size() >= at + sizeof word) std::memcpy(message.data() + at, &word, sizeof word);
  }

  Message spoiled(Message message) {
    constexpr std::array<std::size_t, 4> header{0, 2, 4, 6};  // block length … version
    switch (random_.below(4)) {
      case 0:
        message.resize(random_.below(message.size()) + 1);
        break;
      case 1:
        set16(message, header[random_.below(header.size())], random_.next());
        break;
      case 2:
        for (int flips = 0; flips < 8; ++flips)
          message[random_.below(message.size())] ^= std::byte(1U << random_.below(8));
        break;
      default:  // as it is: of another schema, or of nobody's stream
        break;
    }
    return message;
  }

  // Told again, or told again with one word changed behind the header: ids that belong to nobody.
  Message replayed(bool changed) {
    if (captured_.empty()) return odd_attach();
    Message message = captured_[random_.below(captured_.size())];
    if (changed && message.size() > 20) {
      const std::size_t at = 8 + random_.below(12);
      message[at] ^= std::byte(1U << random_.below(8));
    }
    // One's own copy of a notice about a living producer would be a forged one.
    if (const auto notice = wire::try_decode<wire::driver::ShmLeaseRevoked>(message)) {
      if (notice->stream_id == stream_) message.resize(message.size() - 5);
    }
    // And a true announce is no attack, but one from the future or of another epoch is forged.
    if (changed && wire::try_decode<wire::ShmPoolAnnounce>(message)) message.resize(12);
    if (changed && wire::try_decode<wire::driver::ShmAttachResponse>(message)) message.resize(60);
    return message;
  }

  Message attach(std::uint32_t stream, wire::driver::Role role, std::uint32_t client) {
    wire::driver::ShmAttachRequest request;
    request.correlation_id = static_cast<std::int64_t>(random_.next() >> 1U);
    request.stream_id = stream;
    request.client_id = client;
    request.role = role;
    request.publish_mode = wire::driver::PublishMode::existing_or_create;
    return encoded(request);
  }
  // Each is refused for another reason.
  Message odd_attach() {
    wire::driver::ShmAttachRequest request;
    request.correlation_id = static_cast<std::int64_t>(random_.next() >> 1U);
    request.stream_id = stream_;
    request.client_id = fresh_id();
    request.role = wire::driver::Role::consumer;
    switch (random_.below(7)) {
      case 0:
        request.stream_id = small(1000) + 1;  // unknown
        break;
      case 1:
        request.client_id = 0;
        break;
      case 2:
        request.role = wire::driver::Role::producer;  // there is one
        break;
      case 3:
        request.expected_layout_version = 9;
        break;
      case 4:
        request.desired_node_id = 0;
        break;
      case 5:
        request.require_hugepages = wire::driver::HugepagesPolicy::hugepages;
        break;
      default: {
        Message message = encoded(request);
        set16(message, 6, 2 + random_.below(100));  // version
        return message;
      }
    }
    return encoded(request);
  }
  // Of leases that are not there, or are somebody else's.
  Message detach_or_keepalive() {
    const std::uint64_t lease =
        random_.chance(500'000) ? random_.next() : lease_ - random_.below(3);
    const std::uint32_t client = fresh_id();
    if (random_.chance(500'000)) {
      return encoded(wire::driver::ShmDetachRequest{static_cast<std::int64_t>(count_), lease,
                                                    stream_, client, wire::driver::Role::producer});
    }
    return encoded(wire::driver::ShmLeaseKeepalive{lease, stream_, client,
                                                   wire::driver::Role::producer, random_.next()});
  }
  Message hello() {
    wire::ConsumerHello hello;
    hello.stream_id = stream_;
    hello.consumer_id = fresh_id();
    hello.descriptor_stream_id = 1 + small(100);
    hello.descriptor_channel = "aeron:ipc?" + std::string(random_.below(3000), 'a');
    return encoded(hello);
  }
  // As large as the channel takes: fields and groups without end, and plain noise.
  Message oversized() {
    if (random_.chance(300'000)) {
      wire::driver::ShmAttachResponse response;
      response.correlation_id = 1;
      response.lease_id = response.epoch = 1;
      for (std::uint16_t id = 0; id < 500; ++id)
        response.payload_pools.push_back({id, 8, 64, "shm:file?path=/" + std::string(100, 'a')});
      Message message = encoded(response);
      message.resize(std::min(message.size(), largest_));
      return message;
    }
    Message message = encoded(wire::ConsumerHello{});
    const std::size_t header = message.size();
    message.resize(largest_);
    for (std::size_t i = header; i < message.size(); i += 64) message[i] = std::byte(i / 64 % 256);
    return message;
  }

  std::uint32_t stream_;
  std::uint32_t range_first_;
  std::size_t largest_;
  base::Prng random_;
  std::vector<Message> corpus_;
  std::deque<Message> captured_;
  std::uint64_t lease_ = 1;
  std::uint64_t count_ = 0;
};

}  // namespace tensorpool::integration
