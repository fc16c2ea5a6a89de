// Runs workloads: looks whether there is room, interleaves the rounds of all cases (A B C, A B C, …),
// and keeps everything that was found.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "workload.hpp"

namespace tensorpool::bench {

// One case after all rounds.
struct Row {
  Case of;
  std::vector<Outcome> rounds;           // round i of all rows of a workload ran side by side
  std::unique_ptr<Histogram> histogram;  // of all rounds; null: this workload records no times
};

struct Findings {
  std::string workload;
  std::string title;
  std::string about;
  std::vector<std::string> references;
  std::vector<Row> rows;
};

// Something that was not measured, or whose measurement failed, and why.
struct Hole {
  std::string workload;
  std::string what;
  std::string why;
  bool failed = false;
};

struct Run {
  std::vector<Findings> findings;
  std::vector<Hole> holes;
};

class Runner {
 public:
  Runner(const Stage& stage, const Plan& plan) : stage_(stage), plan_(plan) {}
  // Throws Interrupted; every other failure becomes a hole, and the rest still runs.
  void run(const Workload& workload, Run& into);

 private:
  bool measure(const Workload& workload, Row& row, std::size_t round, Run& into);

  const Stage& stage_;
  const Plan& plan_;
  std::uint32_t number_ = 0;
  double line_ns_ = 0;  // behind the last measurement
};

// What a case is called in the report: "tensorpool, 64 KiB, 1 kHz".
std::string label(const Case& one);
std::string size_text(std::uint64_t bytes);

std::uint64_t free_shared_memory();  // bytes
// Empty, or why `bytes` do not fit into `free_bytes` of /dev/shm.
std::string why_no_room(std::uint64_t bytes, std::uint64_t free_bytes);

}  // namespace tensorpool::bench
