// What a run found, as a table and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "instructions.hpp"
#include "stage.hpp"
#include "statistics.hpp"
#include "throughput.hpp"

namespace tensorpool::bench {

struct LatencyRow {
  std::string name;
  bool is_tensorpool = false;
  std::vector<Percentiles> rounds;  // half round trips; round i of all rows ran side by side
};

struct ThroughputRow {
  std::uint64_t frame_bytes = 0;
  std::uint32_t slots = 0;
  std::vector<Throughput> rounds;
  std::vector<double> memcpy_rounds;  // copies per second
};

struct Report {
  bool quick = false;
  Cpus cpus;
  std::vector<LatencyRow> latency;  // the first row is raw Aeron
  std::vector<ThroughputRow> throughput;
  Instructions instructions;
};

// CPU, kernel, compiler, build and Aeron: what every number depends on.
nlohmann::ordered_json machine(const Cpus& cpus);

nlohmann::ordered_json to_json(const Report& report);
// The table is made of the JSON, so that they cannot disagree.
void print(const nlohmann::ordered_json& report);

}  // namespace tensorpool::bench
