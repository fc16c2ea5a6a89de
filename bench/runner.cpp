#include "runner.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "line_transfer.hpp"

namespace tensorpool::bench {
namespace {

// What a media driver and its clients need beside frames.
constexpr std::uint64_t besides = 64 * MiB;

std::string rate_text(double hz) {
  return hz >= 1000 ? fmt::format("{:g} kHz", hz / 1000) : fmt::format("{:g} Hz", hz);
}

}  // namespace

std::uint64_t free_shared_memory() {
  struct statvfs file_system{};
  if (::statvfs("/dev/shm", &file_system) != 0) return 0;
  return std::uint64_t{file_system.f_bavail} * file_system.f_frsize;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= MiB && bytes % MiB == 0) return fmt::format("{} MiB", bytes / MiB);
  if (bytes >= KiB && bytes % KiB == 0) return fmt::format("{} KiB", bytes / KiB);
  return fmt::format("{} B", bytes);
}

std::string label(const Case& one) {
  std::string text = one.name;
  if (one.frame_bytes != 0) text += ", " + size_text(one.frame_bytes);
  if (one.rate_hz > 0) text += ", " + rate_text(one.rate_hz);
  if (one.receivers > 1) text += fmt::format(", {} readers", one.receivers);
  if (one.links > 2) text += fmt::format(", {} streams", one.links);
  if (!one.variant.empty()) text += ", " + one.variant;
  return text;
}

std::string why_no_room(std::uint64_t bytes, std::uint64_t free_bytes) {
  if (bytes == 0 || bytes + besides <= free_bytes) return {};
  return fmt::format(
      "needs {} MiB in /dev/shm, {} MiB are free: remount it larger, or --size a smaller frame",
      (bytes + besides) / MiB + 1, free_bytes / MiB);
}

void Runner::run(const Workload& workload, Run& into) {
  Findings found{workload.name(), workload.title(), workload.about(), workload.references(), {}};
  for (Case& one : workload.cases(plan_)) {
    const std::string why = why_no_room(workload.shared_bytes(one), free_shared_memory());
    if (!why.empty()) {
      into.holes.push_back({workload.name(), label(one), why});
      continue;
    }
    found.rows.emplace_back();
    found.rows.back().of = std::move(one);
  }
  if (found.rows.empty()) {
    into.holes.push_back(
        {workload.name(), "everything", "none of the chosen subjects takes part in it"});
    return;
  }
  for (std::size_t round = 0; round < plan_.rounds; ++round) {
    if (plan_.progress)
      fmt::print(stderr, "bench: {}, round {} of {}\n", workload.name(), round + 1, plan_.rounds);
    std::erase_if(found.rows, [&](Row& row) { return !measure(workload, row, round, into); });
  }
  if (!found.rows.empty()) into.findings.push_back(std::move(found));
}

bool Runner::measure(const Workload& workload, Row& row, std::size_t round, Run& into) {
  Histogram histogram;
  try {
    const Arena arena(stage_, plan_, number_++);
    if (line_ns_ <= 0) line_ns_ = line_transfer_ns(stage_, plan_.cpus);
    Outcome outcome = workload.measure(arena, row.of, histogram);
    outcome.line_ns = line_transfer_ns(stage_, plan_.cpus);
    outcome.moved = !alike(line_ns_, outcome.line_ns);
    line_ns_ = outcome.line_ns;
    row.rounds.push_back(std::move(outcome));
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: {}: {} failed: {}\n", workload.name(), label(row.of),
               failure.what());
    into.holes.push_back({workload.name(), label(row.of),
                          fmt::format("round {}: {}", round + 1, failure.what()), true});
    return false;
  }
  if (histogram.samples() == 0) return true;
  if (!row.histogram) row.histogram = std::make_unique<Histogram>();
  row.histogram->add(histogram);
  return true;
}

}  // namespace tensorpool::bench
