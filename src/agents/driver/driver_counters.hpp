// A driver's counters as Aeron counters, for tools outside the process: labels read
// "tensorpool driver <name> stream=<control stream id> id=<process id> instance=<instance id>".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agents/counters.hpp"
#include "agents/driver/driver_agent.hpp"

namespace tensorpool::agents::driver {

class DriverCounters {
 public:
  DriverCounters(const DriverOptions& options, std::uint32_t process_id);

  // `status` and `core` are asked for only when values are mirrored.
  int do_work(const std::shared_ptr<Generation>& generation, base::Nanos now, base::Nanos deadline,
              FunctionRef<DriverStatus()> status, const protocol::driver::Counters& counters,
              FunctionRef<void(const Error&)> on_error);
  void drop() { links_.drop(); }

  // In the order of the counters.
  static std::vector<std::string_view> names();

 private:
  CounterLinks links_;
};

}  // namespace tensorpool::agents::driver
