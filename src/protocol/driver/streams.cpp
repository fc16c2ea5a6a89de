#include "protocol/driver/streams.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "shm/layout.hpp"

namespace tensorpool::protocol::driver {

std::optional<std::uint64_t> next_epoch(base::Nanos now, std::uint64_t last_epoch) noexcept {
  if (last_epoch >= shm::epoch_null - 1) return std::nullopt;
  const auto clock = static_cast<std::uint64_t>(std::max<base::Nanos>(now, 1));
  return std::max(clock, last_epoch + 1);
}

StreamTable::StreamTable(const Settings& settings) : ids_(settings.stream_id_range) {
  for (const StreamSetting& setting : settings.streams) {
    Stream& stream = streams_[setting.stream_id];
    stream.stream_id = setting.stream_id;
    stream.profile = find_profile(settings, setting.profile);
    stream.last_epoch = setting.highest_epoch_on_disk;
  }
}

Stream* StreamTable::find(std::uint32_t stream_id) {
  const auto found = streams_.find(stream_id);
  return found == streams_.end() ? nullptr : &found->second;
}

Stream& StreamTable::create(std::uint32_t stream_id, const Profile* profile) {
  if (stream_id == 0) {
    stream_id = ids_.take().value_or(0);
  } else {
    ids_.take(stream_id);
  }
  TP_ASSERT(stream_id != 0 && !streams_.contains(stream_id));
  Stream& stream = streams_[stream_id];
  stream.stream_id = stream_id;
  stream.profile = profile;
  stream.dynamic = true;
  stream.last_epoch = forgotten_epoch_;
  return stream;
}

void StreamTable::settle(Stream& stream, base::Nanos now) {
  if (!stream.dynamic) return;
  if (!stream.unused()) {
    idle_.erase(stream.stream_id);
  } else if (!idle_.contains(stream.stream_id)) {
    idle_.set(stream.stream_id, now);
  }
}

std::uint32_t StreamTable::forget_oldest(base::Nanos now) {
  const std::optional<std::uint32_t> oldest = idle_.due(never);
  TP_ASSERT(oldest.has_value());
  forget(*oldest, now);
  return *oldest;
}

void StreamTable::forget(std::uint32_t stream_id, base::Nanos now) {
  const auto found = streams_.find(stream_id);
  TP_ASSERT(found != streams_.end() && found->second.dynamic && found->second.unused());
  // Several creations within one tick of the clock are a little ahead of it, and count.
  constexpr base::Nanos a_little = 1'000'000'000;
  const auto clock = static_cast<std::uint64_t>(later(std::max<base::Nanos>(now, 0), a_little));
  forgotten_epoch_ = std::max(forgotten_epoch_, std::min(found->second.last_epoch, clock));
  idle_.erase(stream_id);
  ids_.release(stream_id);
  streams_.erase(found);
}

}  // namespace tensorpool::protocol::driver
