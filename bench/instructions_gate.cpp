#include "instructions_gate.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cmath>
#include <fstream>
#include <utility>
#include <vector>

#include "instructions.hpp"

namespace tensorpool::bench {
namespace {

using Json = nlohmann::ordered_json;

Json read_json(const std::string& file, bool may_be_missing) {
  std::ifstream input(file);
  if (!input) {
    if (may_be_missing) return Json::object();
    throw Failure(fmt::format("cannot read {}", file));
  }
  Json json = Json::parse(input, nullptr, false);
  if (!json.is_object()) throw Failure(fmt::format("{} holds no JSON object", file));
  return json;
}

void write_json(const std::string& file, const Json& json) {
  if (file.empty()) return;
  std::ofstream output(file);
  output << json.dump(2) << '\n';
  if (!output.flush()) throw Failure(fmt::format("cannot write {}", file));
}

// Counts depend on these, and on nothing else that a user would not name.
std::string key_of_this_build() {
  utsname system{};
  (void)::uname(&system);
  return fmt::format("{}, {}, Aeron {}, {}", TENSORPOOL_BENCH_COMPILER, system.machine,
                     TENSORPOOL_BENCH_AERON, TENSORPOOL_BENCH_BUILD);
}

// To a tenth, as the baseline keeps them.
Json figures_of(const Instructions& counted) {
  const auto tenth = [](double value) { return std::round(value * 10) / 10; };
  return {{"claim", tenth(counted.claim)},
          {"commit", tenth(counted.commit)},
          {"producer", tenth(counted.producer)},
          {"poll", tenth(counted.poll)},
          {"proof", tenth(counted.proof)},
          {"consumer_ten", tenth(counted.consumer_ten)},
          {"consumer_one", tenth(counted.consumer_one)},
          {"consumer_single", tenth(counted.consumer_single)},
          {"producer_two_shapes", tenth(counted.producer_two_shapes)},
          {"consumer_two_shapes", tenth(counted.consumer_two_shapes)},
          {"producer_bell", tenth(counted.producer_bell)}};
}

const char* what_it_is(const std::string& figure) {
  static constexpr std::pair<const char*, const char*> texts[] = {
      {"claim", "Producer::claim"},
      {"commit", "Slot::commit"},
      {"producer", "claim + commit and the loop around them"},
      {"poll", "Consumer::poll, limit 1, up to the handler"},
      {"proof", "from the end of the handler to that of poll"},
      {"consumer_ten", "poll + proof, limit 10, ten frames waiting"},
      {"consumer_one", "poll + proof, limit 1, frames waiting"},
      {"consumer_single", "poll + proof, one frame waiting"},
      {"producer_two_shapes", "claim + commit, two shapes in turns"},
      {"consumer_two_shapes", "poll + proof, limit 10, two shapes in turns"},
      {"producer_bell", "claim + commit with wake_waiters, nobody ever slept"}};
  for (const auto& [name, text] : texts) {
    if (figure == name) return text;
  }
  return "";
}

void print(const std::vector<JudgedFigure>& figures) {
  fmt::print("{:<18}{:>10}{:>10}{:>9}\n", "per frame", "baseline", "now", "change");
  for (const JudgedFigure& figure : figures) {
    const bool known = figure.judged != Judged::no_baseline;
    fmt::print("{:<18}{:>10}{:>10.1f}{:>9}  {}\n", figure.name,
               known ? fmt::format("{:.1f}", figure.baseline) : "-", figure.now,
               known ? fmt::format("{:+.1f} %", figure.percent) : "-", what_it_is(figure.name));
  }
}

constexpr const char* how_to_accept =
    "run `./run bench instructions --update-baseline` and commit the file with the change";

// The exit code.
int verdict(const std::vector<JudgedFigure>& figures) {
  bool better = false;
  int code = 0;
  for (const JudgedFigure& figure : figures) {
    if (figure.judged == Judged::better) better = true;
    if (figure.judged != Judged::worse) continue;
    code = 1;
    fmt::print(
        "worse: {}: {:.1f} in the baseline, {:.1f} now ({:+.1f} %, {:.0f} % are tolerated)\n",
        figure.name, figure.baseline, figure.now, figure.percent, tolerated_percent);
  }
  if (code != 0) fmt::print("to accept it: {}\n", how_to_accept);
  if (code == 0 && better)
    fmt::print("better than the baseline by more than {:.0f} %; to record it: {}\n",
               tolerated_percent, how_to_accept);
  return code;
}

// Names the figures that nothing protects: without a baseline, or with one that is too high. True when there is one.
bool unprotected(const std::vector<JudgedFigure>& figures) {
  bool any = false;
  for (const JudgedFigure& figure : figures) {
    const bool unknown = figure.judged == Judged::no_baseline;
    if (!unknown && figure.judged != Judged::better) continue;
    any = true;
    fmt::print("--required: {}: {}\n", figure.name,
               unknown ? "there is no baseline" : "the baseline is too high");
  }
  if (any) fmt::print("to mend it: {}\n", how_to_accept);
  return any;
}

Json to_json(const std::vector<JudgedFigure>& figures, const std::string& key, int code) {
  Json rows = Json::array();
  static constexpr const char* names[] = {"same", "worse", "better", "no baseline"};
  for (const JudgedFigure& figure : figures) {
    Json row = {{"figure", figure.name},
                {"now", figure.now},
                {"judged", names[static_cast<std::size_t>(figure.judged)]}};
    if (figure.judged != Judged::no_baseline) {
      row["baseline"] = figure.baseline;
      row["percent"] = figure.percent;
    }
    rows.push_back(std::move(row));
  }
  return {{"key", key}, {"passed", code == 0}, {"instructions_per_frame", std::move(rows)}};
}

}  // namespace

std::vector<JudgedFigure> judge(const Json& now, const Json& baseline) {
  std::vector<JudgedFigure> figures;
  for (const auto& [name, value] : now.items()) {
    JudgedFigure figure{name, 0, value.get<double>(), 0, Judged::no_baseline};
    if (baseline.is_object() && baseline.contains(name) && baseline[name].get<double>() > 0) {
      figure.baseline = baseline[name].get<double>();
      figure.percent = 100 * (figure.now - figure.baseline) / figure.baseline;
      figure.judged = figure.percent > tolerated_percent    ? Judged::worse
                      : figure.percent < -tolerated_percent ? Judged::better
                                                            : Judged::same;
    }
    figures.push_back(std::move(figure));
  }
  if (!baseline.is_object()) return figures;
  for (const auto& [name, value] : baseline.items()) {
    if (!now.contains(name)) figures.push_back({name, value.get<double>(), 0, 0, Judged::worse});
  }
  return figures;
}

InstructionsGate::InstructionsGate(CLI::App& app, std::string counted_program)
    : command_(app.add_subcommand(
          "instructions", "Instructions per frame beside the committed baseline; 1 when worse")),
      counted_program_(std::move(counted_program)),
      baseline_file_(TENSORPOOL_BENCH_BASELINE) {
  command_->add_option("--baseline", baseline_file_, "Compare with this file");
  command_->add_flag("--update-baseline", update_, "Write what is counted into the baseline");
  command_->add_flag(
      "--required", required_,
      "Fail when nothing can be counted, too, and when a figure has no baseline or one "
      "that is too high to protect it");
  command_->add_option("--json", json_file_, "Write everything to this file, too");
  command_->add_option("--keep-profiles", keep_profiles_,
                       "Copy callgrind's profiles to this folder");
  command_->add_option("--waste", waste_, "Add so many loops to each call, to see the gate fail")
      ->group("");
  command_->add_option("--figures", figures_file_, "Compare the figures in this file")->group("");
}

int InstructionsGate::run() const {
  Json now;
  if (!figures_file_.empty()) {
    now = read_json(figures_file_, false);
  } else {
    const Stage stage;
    const Instructions counted =
        count_instructions(stage, counted_program_, false, keep_profiles_, waste_);
    if (!counted.why_not.empty()) {
      fmt::print("not counted: {}\n", counted.why_not);
      write_json(json_file_, {{"not_counted", counted.why_not}, {"passed", !required_}});
      return required_ ? 1 : 0;
    }
    now = figures_of(counted);
  }
  const std::string key = key_of_this_build();
  Json baselines = read_json(baseline_file_, true);
  fmt::print("{}\n\n", key);
  const Json before = baselines.contains(key) ? baselines[key] : Json();
  const std::vector<JudgedFigure> figures = judge(now, before);
  print(figures);
  fmt::print("\n");
  if (update_) {
    baselines[key] = now;
    write_json(baseline_file_, baselines);
    fmt::print("written to {}\n", baseline_file_);
    write_json(json_file_, to_json(figures, key, 0));
    return 0;
  }
  if (before.is_null())
    fmt::print("no baseline for {}: nothing is compared; to make one: {}\n", key, how_to_accept);
  int code = verdict(figures);
  if (required_ && unprotected(figures)) code = 1;
  write_json(json_file_, to_json(figures, key, code));
  return code;
}

}  // namespace tensorpool::bench
