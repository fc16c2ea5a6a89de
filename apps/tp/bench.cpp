#include "tp/bench.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/arguments.hpp"
#include "bench/environment.hpp"
#include "bench/registry.hpp"
#include "bench/report.hpp"
#include "bench/runner.hpp"
#include "bench/stage.hpp"
#include "bench/workloads.hpp"
#include "tp/bench_text.hpp"
#include "tp/json.hpp"

namespace tensorpool::cli {
namespace {

constexpr double usual_seconds = 25;
constexpr double most_seconds = 3600;
// Of the full kit's measurements, so that a round takes some seconds.
constexpr double pace = 0.25;
// As the full kit, and as a shell says it of a program that Ctrl-C ended.
constexpr int exit_interrupted = 130;

struct BenchOptions {
  double seconds = usual_seconds;
  std::vector<std::string> sizes;
  bool machine = false;
  bool json = false;
};

// What a round measures, each with the sizes that are its own.
struct Part {
  std::unique_ptr<bench::Workload> workload;
  std::vector<std::uint64_t> sizes;
};

std::vector<Part> make_parts(const std::vector<std::uint64_t>& asked) {
  using Sizes = std::vector<std::uint64_t>;
  const auto sizes = [&](const Sizes& own) { return asked.empty() ? own : asked; };
  std::vector<Part> parts;
  parts.push_back({bench::closed_loop_workload(), sizes({64, 640 * bench::KiB})});
  parts.push_back({bench::copy_in_workload(), sizes({64 * bench::KiB, 8 * bench::MiB})});
  parts.push_back({bench::wake_up_workload(), {}});
  return parts;
}

// Adds what one more round of all parts found to what earlier ones did.
void merge(bench::Run& into, bench::Run&& round) {
  for (bench::Hole& hole : round.holes) into.holes.push_back(std::move(hole));
  for (bench::Findings& found : round.findings) {
    bench::Findings* known = nullptr;
    for (bench::Findings& one : into.findings)
      known = one.workload == found.workload ? &one : known;
    if (known == nullptr) {
      into.findings.push_back(std::move(found));
      continue;
    }
    for (bench::Row& row : found.rows) {
      for (bench::Row& other : known->rows) {
        if (bench::label(other.of) != bench::label(row.of)) continue;
        for (bench::Outcome& outcome : row.rounds) other.rounds.push_back(std::move(outcome));
        if (row.histogram && other.histogram) other.histogram->add(*row.histogram);
      }
    }
  }
}

// Rounds of everything until `seconds` are over: one at least, and no further one that would not fit.
Json measure(const BenchOptions& options, const std::vector<std::uint64_t>& sizes) {
  const std::unique_ptr<bench::Subject> subjects[] = {bench::make_tensorpool(), bench::make_aeron(),
                                                      bench::make_futex()};
  bench::Plan plan;
  plan.rounds = 1;
  plan.pace = pace;
  plan.progress = false;
  plan.cpus = bench::choose_cpus();
  for (const auto& subject : subjects) plan.subjects.push_back(subject.get());
  const std::vector<Part> parts = make_parts(sizes);
  const std::int64_t begin = bench::now_ns();
  const auto elapsed = [&] { return static_cast<double>(bench::now_ns() - begin) / 1e9; };
  bench::Run all;
  std::size_t rounds = 0;
  {
    // Where not even a media driver fits, what needs none is measured all the same.
    std::optional<std::string> none;
    if (!bench::why_no_room(1, bench::free_shared_memory()).empty()) none = std::string();
    const bench::Stage stage(none);
    bench::Runner runner(stage, plan);
    for (double longest = 0; rounds == 0 || elapsed() + longest < options.seconds; ++rounds) {
      const double from = elapsed();
      bench::Run round;
      for (const Part& part : parts) {
        if (!options.json && on_terminal())
          print_live(fmt::format("round {}: {}", rounds + 1, part.workload->title()));
        plan.sizes = part.sizes;
        runner.run(*part.workload, round);
      }
      if (rounds > 0) std::erase_if(round.holes, [](const auto& hole) { return !hole.failed; });
      merge(all, std::move(round));
      longest = std::max(longest, elapsed() - from);
    }
  }
  Json report = bench::to_json(all, plan);
  report["rounds"] = rounds;
  report["seconds"] = elapsed();
  report["one_cpu"] = plan.cpus.shared();
  return report;
}

bool all_well(const Json& report) {
  if (!report.contains("workloads")) return true;
  for (const Json& hole : report["not_measured"]) {
    if (hole["failed"].get<bool>()) return false;
  }
  for (const Json& workload : report["workloads"]) {
    for (const Json& row : workload["rows"]) {
      if (row["books"]["wrong"].get<std::uint64_t>() != 0) return false;
    }
  }
  return true;
}

int run_bench(const BenchOptions& options) {
  try {
    std::vector<std::uint64_t> sizes;
    sizes.reserve(options.sizes.size());
    for (const std::string& text : options.sizes) sizes.push_back(bench::parse_size(text));
    // Before anything runs: afterwards the load is our own.
    const bench::Environment here = bench::look_around();
    Json report = {{"kind", "bench"}};
    std::string failed;
    try {
      if (!options.machine) report.update(measure(options, sizes));
    } catch (const bench::Interrupted&) {
      throw;
    } catch (const bench::Failure& failure) {
      failed = failure.what();  // what the machine is may say why
    }
    report["environment"] = bench::to_json(here);
    report["advice"] = bench::to_json(bench::advice(here));
    if (options.json) {
      print_json(report);
    } else {
      report["environment_text"] = bench::to_text(here);
      print_line(bench_text(report));
    }
    if (!failed.empty()) print_error(failed);
    return failed.empty() && all_well(report) ? exit_ok : exit_failed;
  } catch (const bench::BadArgument& wrong) {
    print_error(wrong.what());
    return exit_usage;
  } catch (const bench::Interrupted&) {
    print_error("interrupted; what was measured so far is not shown");
    return exit_interrupted;
  } catch (const bench::Failure& failure) {
    print_error(failure.what());
    return exit_failed;
  }
}

}  // namespace

Command register_bench(Command& root) {
  auto options = std::make_shared<BenchOptions>();
  Command app =
      root.command("bench", "Measure tensorpool on this machine, and say what stands in the way");
  app.option("--seconds", options->seconds,
             "About how long; rounds are repeated until then, at least one (default 25)")
      .check(between(1, most_seconds));
  app.option("--size", options->sizes,
             "Payload sizes for latency and throughput, such as 64KiB,8MiB (default 64 B and 640 "
             "KiB, 64 KiB and 8 MiB)")
      .delimiter(',');
  app.flag("--machine", options->machine,
           "Measure nothing: only what this machine is and what stands in the way");
  app.flag("--json", options->json, "One JSON object");
  app.footer(std::string("Latency beside raw Aeron, throughput beside memcpy, the wake-up of a "
                         "sleeping consumer beside\n"
                         "a bare futex, in processes of their own that it pins, with a media "
                         "driver of its own in\n"
                         "/dev/shm; all of it is gone afterwards. Close other programs first.\n"
                         "  tp bench\n"
                         "  tp bench --machine\n"
                         "  tp bench --seconds 120 --size 2MiB --json\n\n") +
             exit_codes_text + " Interrupted: 130.");
  app.runs([options] { return run_bench(*options); });
  return app;
}

}  // namespace tensorpool::cli
