// The counters of one port as Aeron counters: the live store that tools read from outside. Ports
// count privately (agents/cell.hpp); the conductor mirrors, because a counter's address dies with
// its connection while the totals live on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agents/context.hpp"
#include "agents/wake_finder.hpp"
#include "tensorpool/function_ref.hpp"

namespace tensorpool::agents {

// Type id of all counters of this library, except those that the protocol fixes (10001 and 10002).
inline constexpr std::int32_t counter_type_id = 10100;

// A row of Aeron counters, made again on every connection and mirrored every 100 ms.
class CounterLinks {
 public:
  CounterLinks(std::vector<std::string> labels, std::uint32_t stream, std::uint32_t id,
               std::uint32_t process_id);

  // Adds what is missing on the current connection (null: none), one step, and mirrors the values:
  // `value_of(i)` is asked for when it is time. Why some are missing is told once for each connection.
  int do_work(const std::shared_ptr<Generation>& generation, base::Nanos now, base::Nanos deadline,
              FunctionRef<std::uint64_t(std::size_t)> value_of,
              FunctionRef<void(const Error&)> on_error);
  // The connection is gone.
  void drop();

 private:
  std::vector<std::string> labels_;
  CounterKey key_;
  std::vector<LinkAdd<transport::Counter>> counters_;
  // The connection the counters belong to; keeps it until they are closed.
  std::shared_ptr<Generation> generation_;
  base::Nanos next_mirror_ns_ = 0;
  bool told_ = false;
};

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

// Labels read "tensorpool <role> <name> stream=<stream> id=<id>".
class CounterSet {
 public:
  CounterSet(std::span<const CounterSource> sources, std::string_view role, std::uint32_t stream,
             std::uint32_t id, std::uint32_t process_id);

  // Ports work without counters; why some are missing is told once.
  int do_work(AgentContext& context, const Cell& cell, AgentCounts& counts);
  // The connection is gone.
  void drop() { links_.drop(); }

 private:
  std::span<const CounterSource> sources_;
  std::uint32_t stream_;
  CounterLinks links_;
};

// "tensorpool <role> <name> stream=<stream> id=<id>".
std::string counter_label(std::string_view role, std::string_view name, std::uint32_t stream,
                          std::uint32_t id);

std::span<const CounterSource> producer_counters() noexcept;
std::span<const CounterSource> consumer_counters() noexcept;
std::span<const CounterSource> client_counters() noexcept;

}  // namespace tensorpool::agents
