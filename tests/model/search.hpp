// What the tests of this folder share: the names of the memory orders, and a search with its verdict. Included
// last, because of Relacy's macros.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "model/relacy.hpp"

namespace tensorpool::model {

constexpr rl::memory_order model_order(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order::relaxed:
      return rl::mo_relaxed;
    case std::memory_order::consume:
      return rl::mo_consume;
    case std::memory_order::acquire:
      return rl::mo_acquire;
    case std::memory_order::release:
      return rl::mo_release;
    case std::memory_order::acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order::seq_cst:
      break;
  }
  return rl::mo_seq_cst;
}

struct Verdict {
  rl::test_result_e result = rl::test_result_success;
  std::uint64_t executions = 0;
  std::string report;
};

// `executions` of a random search; the others end by themselves. `switches` of a bounded one: how often a thread
// is interrupted at most that could go on.
template <class Suite>
Verdict search(rl::scheduler_type_e kind, std::uint64_t executions, unsigned switches = 0) {
  rl::ostringstream report;
  rl::test_params params;
  params.search_type = kind;
  params.iteration_count = executions;
  params.context_bound = switches;
  params.output_stream = &report;
  params.progress_stream = &report;
  rl::simulate<Suite>(params);
  return {params.test_result, params.stop_iteration, std::string(report.str().c_str())};
}

// One pass of a search; the second one, of an execution that failed, tells its history.
template <rl::scheduler_type_e kind, class Suite>
rl::test_result_e pass(rl::test_params& params, rl::ostringstream& state, bool second) {
  constexpr auto threads = Suite::params::thread_count;
  if constexpr (kind == rl::sched_random) {
    return rl::run_test<Suite, rl::random_scheduler<threads>>(params, state, second);
  } else {
    static_assert(kind == rl::sched_full);
    return rl::run_test<Suite, rl::full_search_scheduler<threads>>(params, state, second);
  }
}

// The same for a kind of search that is known early: rl::simulate() compiles all three of them, anew for every suite.
template <rl::scheduler_type_e kind, class Suite>
Verdict search_by(std::uint64_t executions) {
  rl::ostringstream report;
  rl::ostringstream state;
  rl::test_params params;
  params.search_type = kind;
  params.iteration_count = executions;
  params.output_stream = &report;
  params.progress_stream = &report;
  if (pass<kind, Suite>(params, state, false) != rl::test_result_success) {
    params.initial_state = state.str();
    params.final_state = state.str();
    params.collect_history = true;
    rl::ostringstream again;
    pass<kind, Suite>(params, again, true);
  }
  return {params.test_result, params.stop_iteration, std::string(report.str().c_str())};
}

}  // namespace tensorpool::model
