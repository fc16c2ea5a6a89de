#include "workloads.hpp"

namespace tensorpool::bench {

std::vector<std::unique_ptr<Workload>> all_workloads() {
  std::vector<std::unique_ptr<Workload>> all;
  all.push_back(closed_loop_workload());
  all.push_back(open_loop_workload());
  all.push_back(copy_in_workload());
  all.push_back(in_place_workload());
  all.push_back(no_touch_workload());
  all.push_back(fan_out_workload());
  all.push_back(many_streams_workload());
  all.push_back(many_pools_workload());
  all.push_back(conductors_workload());
  all.push_back(reader_restart_workload());
  all.push_back(overwrites_workload());
  all.push_back(frozen_workload());
  all.push_back(wake_up_workload());
  all.push_back(idle_cpu_workload());
  return all;
}

}  // namespace tensorpool::bench
