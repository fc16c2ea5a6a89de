// `./run bench driver`: how the driver behaves, as rows of one number with its spread. What is measured
// and how: README.md.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "driver_process.hpp"
#include "stage.hpp"

namespace tensorpool::bench {

struct DriverBenchOptions {
  bool quick = false;
  std::size_t rounds = 5;
  std::string only;            // one part; empty: all
  std::string driver_program;  // tp_driver
  std::string own_program;     // this one, for producers that are killed

  bool wants(const char* part) const { return only.empty() || only == part; }
};

// One number: a value for each round.
struct DriverRow {
  std::string part;
  std::string what;
  std::string unit;
  std::vector<double> rounds;
};
using DriverRows = std::vector<DriverRow>;
void add(DriverRows& rows, const char* part, const std::string& what, const char* unit,
         double value);

// Each adds one round to its rows. REQUIRES a process without other threads where a Stage is given.
void measure_core(DriverRows& rows, const DriverBenchOptions& options);
void measure_cycle(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options);
void measure_attach(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options);
void measure_failover(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options);
void measure_idle(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options);

// A producer in a process of its own, until somebody kills it: attaches, publishes a frame a millisecond,
// and says so on standard output with one line.
int publish_until_killed(const DriverPlaces& places);

nlohmann::ordered_json driver_json(const DriverRows& rows, const DriverBenchOptions& options);
void print_driver(const nlohmann::ordered_json& report);

}  // namespace tensorpool::bench
