// The flow control of IPC as it is seen from outside: who writes a stream, who reads it, and how far.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tensorpool::transport {

// Counters of this library's clients (agents/counters.hpp): the last four bytes of their key are the process id,
// which Aeron does not tell of its clients.
inline constexpr std::int32_t library_counter_type_id = 10100;

struct FlowClient {
  std::int64_t client_id = 0;
  std::string name;  // empty: it has none
  std::uint32_t process_id =
      0;  // as it calls itself; 0: not known, such as of a stranger without our counters
};

// One subscription that reads a publication.
struct FlowSubscriber {
  std::int64_t subscription_id = 0;  // its registration id
  std::int64_t position = 0;         // in bytes of the stream
  bool tethered = true;              // stops the publication where it stands still
  std::string channel;
  FlowClient client;
  // It is what keeps the publication's limit where it is.
  bool holds = false;
};

// One publication with everybody who reads it.
struct Flow {
  std::int64_t publication_id = 0;
  std::int32_t session_id = 0;
  std::int32_t stream_id = 0;
  std::string channel;
  FlowClient client;
  std::int64_t position = 0;
  std::int64_t limit = 0;         // nothing is taken from here on
  std::int64_t window_bytes = 0;  // how far it may be ahead of its slowest reader; 0: not known
  std::vector<FlowSubscriber> subscribers;

  bool held_up() const noexcept { return limit > 0 && position >= limit; }
};

// `a` - `b`, or the nearest there is. Positions and limits come out of a file that every client may write.
std::int64_t distance(std::int64_t a, std::int64_t b) noexcept;

// Sets `holds`. A limit lies a window ahead of the slowest subscriber that counts, or up to an eighth of a window
// less far, since it moves in such steps. Those further behind do not count any more: the media driver let go of
// them.
void find_holders(Flow& flow) noexcept;

}  // namespace tensorpool::transport
