// Says who holds a producer up: looks at the media driver's position counters while the producer meets
// back-pressure, and names each subscriber that stands behind it, once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/context.hpp"
#include "transport/flow.hpp"

namespace tensorpool::agents {

class Laggards {
 public:
  // The publication to look after from now on; before it is lent to a port.
  void watch(const transport::Publication& publication) noexcept;
  // Its connection is gone, and with it what is known of everybody on it.
  void drop() noexcept;

  // Looks every 100 ms where `back_pressured` has risen since, and where it has not whether whoever was seen then
  // still holds it up: a slow producer is refused less often. What is told names `stream`. Returns the work done.
  int do_work(AgentContext& context, std::uint32_t stream, std::uint64_t back_pressured);

 private:
  // Somebody who held the publication up at the last look.
  struct Suspect {
    std::int64_t subscription_id = 0;
    std::int64_t position = 0;
    int looks = 0;
    bool seen = false;
  };

  // The publication watched, while it is held up.
  std::optional<transport::Flow> flow(const AgentContext& context) const;
  void probe(AgentContext& context);
  void look(AgentContext& context, std::uint32_t stream);
  void tell(AgentContext& context, std::uint32_t stream, const transport::Flow& flow,
            const transport::FlowSubscriber& who, bool stands);
  Suspect& suspect(const transport::FlowSubscriber& who);

  bool watching_ = false;
  std::int32_t session_id_ = 0;
  std::int32_t stream_id_ = 0;
  base::Nanos next_look_ns_ = 0;
  base::Nanos next_probe_ns_ = 0;
  base::Nanos refused_at_ns_ = 0;  // seen at the last look that found a new refusal
  std::uint64_t back_pressured_ = 0;
  base::Nanos oldest_beat_ns_ =
      0;  // of the media driver, at the looks so far: about its timer interval
  std::vector<Suspect> suspects_;
  std::vector<std::int64_t> told_;  // subscription ids, at most limits::laggards_told
};

// What a Notice says of `who`, who stands still or (`stands` false) reads too slowly. `beat_ns`: how seldom the
// media driver was seen to look after its timers.
std::string laggard_text(const transport::Flow& flow, const transport::FlowSubscriber& who,
                         bool stands, base::Nanos beat_ns);

}  // namespace tensorpool::agents
