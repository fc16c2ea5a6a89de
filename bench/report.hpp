// What a run found, as JSON; the tables on the terminal (table.cpp) and the report (report.py) are made of
// the JSON, so that they cannot disagree.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "instructions.hpp"
#include "registry.hpp"
#include "runner.hpp"

namespace tensorpool::bench {

using Json = nlohmann::ordered_json;

// Everything but the environment and the instructions, which main() adds.
Json to_json(const Run& run, const Plan& plan);
Json to_json(const std::vector<Entry>& subjects);
Json to_json(const Instructions& counted);

// A .hgrm file for each row that has times: WORKLOAD.ROW.hgrm.
void write_histograms(const Run& run, const std::string& folder);
std::string file_name(const std::string& workload, const Case& one);

void print(const Json& report);
void print_instructions(const Json& counted);

}  // namespace tensorpool::bench
