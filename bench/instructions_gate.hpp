// `tp_bench instructions`: counts instructions per frame and compares them with the committed baseline.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace tensorpool::bench {

// The subcommand: registers itself with its options, and runs when it was asked for.
class InstructionsGate {
 public:
  // `counted_program` is tp_bench_counted. The object outlives the parsing of arguments.
  InstructionsGate(CLI::App& app, std::string counted_program);
  InstructionsGate(const InstructionsGate&) = delete;
  InstructionsGate& operator=(const InstructionsGate&) = delete;

  bool asked() const { return command_->parsed(); }
  // The exit code: 0 no worse than the baseline, or nothing to compare; 1 worse, or not protected where that is
  // required. Throws Failure.
  int run() const;

 private:
  CLI::App* command_;
  std::string counted_program_;
  std::string baseline_file_;
  std::string json_file_;
  std::string keep_profiles_;
  std::string figures_file_;  // instead of counting, for tests
  std::uint64_t waste_ = 0;
  bool update_ = false;
  bool required_ = false;
};

// What a comparison says of one figure.
enum class Judged { same, worse, better, no_baseline };

struct JudgedFigure {
  std::string name;
  double baseline = 0;  // 0: there is none
  double now = 0;
  double percent = 0;  // above 0: more instructions than in the baseline
  Judged judged = Judged::same;
};

// More than this is a change that has to be named in the commit that brings it.
inline constexpr double tolerated_percent = 3.0;

// Every figure of `now` beside the one of the same name in `baseline` (null: no baseline at all). What only
// the baseline has is a figure that is not counted any more: worse.
std::vector<JudgedFigure> judge(const nlohmann::ordered_json& now,
                                const nlohmann::ordered_json& baseline);

}  // namespace tensorpool::bench
