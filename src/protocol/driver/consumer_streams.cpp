#include "protocol/driver/consumer_streams.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "base/limits.hpp"

namespace tensorpool::protocol::driver {
namespace {

constexpr std::uint32_t highest_aeron_id = 2147483647;  // STR-20

bool no_id(std::uint32_t id) noexcept { return id == 0 || id == wire::null_u32; }

// The table of 5.3: a channel and an id make a request, neither makes none, one alone is invalid.
bool requested(const std::string& channel, std::uint32_t id) noexcept {
  return !channel.empty() || !no_id(id);
}
// STR-70, as far as text and numbers tell.
bool usable(const std::string& channel, std::uint32_t id) noexcept {
  return !no_id(id) && id <= highest_aeron_id && channel.size() <= base::limits::channel_bytes &&
         std::string_view(channel).starts_with("aeron:");
}

}  // namespace

// One half of a hello. A consumer keeps what it has for as long as it goes on asking (DRV-171); what it does
// not ask for any more, or asks for wrongly, returns to the range (STR-57).
void ConsumerStreams::assign(bool wanted, bool valid, IdPool& pool, std::uint32_t& assigned) {
  if (wanted && valid) {
    if (assigned == 0) assigned = pool.take().value_or(0);
    if (assigned == 0) ++declined_;
    return;
  }
  if (wanted) ++declined_;
  if (assigned != 0) pool.release(std::exchange(assigned, 0));
}

std::optional<wire::ConsumerConfig> ConsumerStreams::answer(const wire::ConsumerHello& hello,
                                                            Lease& lease) {
  const bool descriptor = requested(hello.descriptor_channel, hello.descriptor_stream_id);
  const bool control = requested(hello.control_channel, hello.control_stream_id);
  if (!descriptor && !control && lease.descriptor_stream_id == 0 && lease.control_stream_id == 0) {
    return std::nullopt;
  }
  // One invalid half declines both.
  const bool valid =
      (!descriptor || usable(hello.descriptor_channel, hello.descriptor_stream_id)) &&
      (!control || usable(hello.control_channel, hello.control_stream_id));
  assign(descriptor, valid, descriptor_, lease.descriptor_stream_id);
  assign(control, valid, control_, lease.control_stream_id);
  wire::ConsumerConfig config;
  config.stream_id = hello.stream_id;
  config.consumer_id = hello.consumer_id;
  config.use_shm = true;
  config.mode = hello.mode;
  config.descriptor_stream_id = lease.descriptor_stream_id;
  config.control_stream_id = lease.control_stream_id;
  if (lease.descriptor_stream_id != 0)
    config.descriptor_channel = hello.descriptor_channel;  // DRV-173
  if (lease.control_stream_id != 0) config.control_channel = hello.control_channel;
  return config;
}

void ConsumerStreams::release(Lease& lease) {
  if (lease.descriptor_stream_id != 0)
    descriptor_.release(std::exchange(lease.descriptor_stream_id, 0));
  if (lease.control_stream_id != 0) control_.release(std::exchange(lease.control_stream_id, 0));
}

}  // namespace tensorpool::protocol::driver
