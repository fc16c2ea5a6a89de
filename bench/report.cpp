#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "line_transfer.hpp"
#include "statistics.hpp"

namespace tensorpool::bench {
namespace {

Json to_json(const Spread& s) { return {{"median", s.median}, {"low", s.low}, {"high", s.high}}; }

std::vector<double> values(const Row& row, std::size_t figure) {
  std::vector<double> rounds;
  for (const Outcome& round : row.rounds) rounds.push_back(round.figures.at(figure).value);
  return rounds;
}

Json figures(const Row& row) {
  Json all = Json::array();
  for (std::size_t i = 0; i < row.rounds.front().figures.size(); ++i) {
    const Figure& figure = row.rounds.front().figures[i];
    const std::vector<double> rounds = values(row, i);
    const Spread spread = bench::spread(rounds);
    Json one = {{"name", figure.name}, {"unit", figure.unit}};
    one.update(to_json(spread));
    one["more_is_better"] = figure.more_is_better;
    one["noisy"] = rounds.size() > 1 && noisy(spread, figure.tail);
    one["rounds"] = rounds;
    all.push_back(std::move(one));
  }
  return all;
}

Json books(const Row& row) {
  Books all;
  for (const Outcome& round : row.rounds) all = sum(all, round.books);
  return {{"sent", all.sent}, {"delivered", all.delivered},     {"overwritten", all.overwritten},
          {"lost", all.lost}, {"skipped", all.skipped},         {"refused", all.refused},
          {"late", all.late}, {"unaccounted", all.unaccounted}, {"wrong", all.wrong}};
}

// The first one of all rounds; empty where nobody stood in the way.
std::string remark(const Row& row) {
  for (const Outcome& round : row.rounds) {
    if (!round.remark.empty()) return round.remark;
  }
  return {};
}

// Do the two rows say something of each other? A bound that moves no payload stands beside every size.
bool comparable(const Case& row, const Case& reference) {
  const bool same_size = row.frame_bytes == reference.frame_bytes || reference.frame_bytes == 0;
  return same_size && row.rate_hz == reference.rate_hz && row.receivers == reference.receivers &&
         row.links == reference.links && reference.variant.empty();
}

// The rounds in which the CPUs lay in alike places for both, and stayed there.
std::vector<std::size_t> rounds_side_by_side(const Row& row, const Row& reference) {
  std::vector<std::size_t> rounds;
  if (row.rounds.size() != reference.rounds.size())
    return rounds;  // one of them failed in the middle
  for (std::size_t k = 0; k < row.rounds.size(); ++k) {
    const Outcome& a = row.rounds[k];
    const Outcome& b = reference.rounds[k];
    if (!a.moved && !b.moved && alike(a.line_ns, b.line_ns)) rounds.push_back(k);
  }
  return rounds;
}

// Round by round, so that what disturbs both cancels out.
Json comparison(const Row& row, const Row& reference) {
  Json all = Json::array();
  const std::vector<std::size_t> rounds = rounds_side_by_side(row, reference);
  for (std::size_t i = 0; i < row.rounds.front().figures.size(); ++i) {
    const Figure& figure = row.rounds.front().figures[i];
    const auto& others = reference.rounds.front().figures;
    if (i >= others.size() || others[i].name != figure.name) continue;
    std::vector<double> quotients;
    bool possible = !rounds.empty();
    for (const std::size_t k : rounds) {
      const double below = reference.rounds[k].figures.at(i).value;
      possible = possible && below > 0;
      quotients.push_back(row.rounds[k].figures.at(i).value / below);
    }
    if (!possible) continue;
    Json one = {{"name", figure.name}};
    one.update(to_json(spread(quotients)));
    one["verdict"] = name(verdict(quotients));
    one["rounds"] = quotients.size();
    all.push_back(std::move(one));
  }
  return all;
}

// How far the CPUs lay apart over the whole run.
Json lines(const Run& run) {
  double low = 0;
  double high = 0;
  std::uint64_t moved = 0;
  for (const Findings& found : run.findings) {
    for (const Row& row : found.rows) {
      for (const Outcome& round : row.rounds) {
        if (round.line_ns <= 0) continue;
        low = low <= 0 ? round.line_ns : std::min(low, round.line_ns);
        high = std::max(high, round.line_ns);
        moved += round.moved ? 1U : 0U;
      }
    }
  }
  return {{"low", low}, {"high", high}, {"measurements_moved", moved}, {"alike", alike(low, high)}};
}

Json row_json(const Findings& found, const Row& row) {
  const Case& of = row.of;
  const char* kind = "bound";
  if (of.subject != nullptr && of.subject->kind() == Kind::ours) kind = "ours";
  if (of.subject != nullptr && of.subject->kind() == Kind::rival) kind = "rival";
  Json json = {{"label", label(of)},
               {"subject", of.name},
               {"kind", kind},
               {"variant", of.variant},
               {"frame_bytes", of.frame_bytes},
               {"rate_hz", of.rate_hz},
               {"receivers", of.receivers},
               {"links", of.links},
               {"slots", of.slots},
               {"figures", figures(row)},
               {"books", books(row)},
               {"remark", remark(row)}};
  json["line_ns"] = Json::array();
  // Null where the CPUs were moved in the middle.
  for (const Outcome& round : row.rounds)
    json["line_ns"].push_back(round.moved ? Json() : Json(round.line_ns));
  json["compared"] = Json::object();
  for (const std::string& name : found.references) {
    for (const Row& reference : found.rows) {
      if (reference.of.name != name || of.name == name || !comparable(of, reference.of)) continue;
      json["compared"][name] = comparison(row, reference);
      break;
    }
  }
  if (row.histogram) {
    const double divisor = row.rounds.front().divisor;
    json["samples"] = row.histogram->samples();
    json["histogram_file"] = file_name(found.workload, of);
    json["percentiles_ns"] = row.histogram->points(divisor);
  }
  return json;
}

}  // namespace

Json to_json(const Run& run, const Plan& plan) {
  Json json;
  json["quick"] = plan.quick;
  json["rounds"] = plan.rounds;
  json["pinned_to"] = {plan.cpus.first, plan.cpus.second};
  json["line_ns"] = lines(run);
  json["workloads"] = Json::array();
  for (const Findings& found : run.findings) {
    Json rows = Json::array();
    for (const Row& row : found.rows) rows.push_back(row_json(found, row));
    json["workloads"].push_back({{"name", found.workload},
                                 {"title", found.title},
                                 {"about", found.about},
                                 {"rows", std::move(rows)}});
  }
  json["not_measured"] = Json::array();
  for (const Hole& hole : run.holes) {
    json["not_measured"].push_back({{"workload", hole.workload},
                                    {"what", hole.what},
                                    {"why", hole.why},
                                    {"failed", hole.failed}});
  }
  return json;
}

Json to_json(const std::vector<Entry>& subjects) {
  Json all = Json::array();
  for (const Entry& entry : subjects) {
    Json one = {{"name", entry.name}, {"why_not", entry.why_not}};
    if (entry.subject != nullptr) {
      one["version"] = entry.subject->version();
      one["setup"] = entry.subject->setup();
    }
    all.push_back(std::move(one));
  }
  return all;
}

Json to_json(const Instructions& counted) {
  if (!counted.why_not.empty()) return {{"not_counted", counted.why_not}};
  return {{"producer_claim_commit", counted.producer},
          {"consumer_poll_10", counted.consumer_ten},
          {"consumer_poll_1", counted.consumer_one},
          {"consumer_single", counted.consumer_single},
          {"producer_two_shapes", counted.producer_two_shapes},
          {"consumer_two_shapes", counted.consumer_two_shapes},
          {"producer_bell", counted.producer_bell},
          {"claim", counted.claim},
          {"commit", counted.commit},
          {"poll", counted.poll},
          {"proof", counted.proof},
          {"frames", counted.frames}};
}

std::string file_name(const std::string& workload, const Case& one) {
  std::string name = workload + "." + label(one) + ".hgrm";
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
  }
  return name;
}

void write_histograms(const Run& run, const std::string& folder) {
  for (const Findings& found : run.findings) {
    for (const Row& row : found.rows) {
      if (!row.histogram) continue;
      row.histogram->write_hgrm(folder + "/" + file_name(found.workload, row.of),
                                row.rounds.front().divisor);
    }
  }
}

}  // namespace tensorpool::bench
