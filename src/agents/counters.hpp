// The counters of one port as Aeron counters: the live store that tools read from outside. Ports
// count privately (agents/cell.hpp); the conductor mirrors, because a counter's address dies with
// its connection while the totals live on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agents/context.hpp"

namespace tensorpool::agents {

// Type id of all counters of this library, except those that the protocol fixes (10001 and 10002).
inline constexpr std::int32_t counter_type_id = 10100;

// One column: what it is called and where its value comes from.
struct CounterSource {
  std::string_view name;
  std::uint64_t (*read)(const Cell&, const struct AgentCounts&);
};

// What an agent counts beside its port.
struct AgentCounts {
  std::uint64_t remaps = 0;
  std::uint64_t errors = 0;
  std::uint64_t longest_cycle_ns = 0;
};

// Labels read "tensorpool <role> <name> stream=<stream> id=<id>"; the key is 16 bytes like that of
// the wake-up counters: u32 layout (1), u32 stream, u32 id, u32 process id.
class CounterSet {
 public:
  CounterSet(std::span<const CounterSource> sources, std::string_view role, std::uint32_t stream,
             std::uint32_t id, std::uint32_t process_id);

  // Adds what is missing on the current connection, one step, and mirrors the values. Ports work
  // without counters; why some are missing is told once.
  int do_work(AgentContext& context, const Cell& cell, AgentCounts& counts);
  // The connection is gone.
  void drop();

 private:
  std::span<const CounterSource> sources_;
  std::string role_;
  std::uint32_t stream_;
  std::uint32_t id_;
  std::array<std::byte, 16> key_{};
  std::vector<LinkAdd<transport::Counter>> counters_;
  // The connection the counters belong to; keeps it until they are closed.
  std::shared_ptr<Generation> generation_;
  base::Nanos next_mirror_ns_ = 0;
  bool told_ = false;
};

std::span<const CounterSource> producer_counters() noexcept;
std::span<const CounterSource> consumer_counters() noexcept;
std::span<const CounterSource> client_counters() noexcept;

}  // namespace tensorpool::agents
