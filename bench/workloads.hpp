// Every workload there is, one file each in workloads/.
#pragma once

#include <memory>
#include <vector>

#include "workload.hpp"

namespace tensorpool::bench {

std::unique_ptr<Workload> closed_loop_workload();
std::unique_ptr<Workload> open_loop_workload();
std::unique_ptr<Workload> copy_in_workload();
std::unique_ptr<Workload> in_place_workload();
std::unique_ptr<Workload> no_touch_workload();
std::unique_ptr<Workload> fan_out_workload();
std::unique_ptr<Workload> many_streams_workload();
std::unique_ptr<Workload> many_pools_workload();
std::unique_ptr<Workload> conductors_workload();
std::unique_ptr<Workload> reader_restart_workload();
std::unique_ptr<Workload> overwrites_workload();
std::unique_ptr<Workload> frozen_workload();
std::unique_ptr<Workload> wake_up_workload();
std::unique_ptr<Workload> idle_cpu_workload();

// In the order of the report.
std::vector<std::unique_ptr<Workload>> all_workloads();

}  // namespace tensorpool::bench
