// A workload: which cases it has, and how one round of one of them is measured. The runner
// (runner.hpp) interleaves the rounds, the report (report.hpp) knows nothing of what they mean.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "histogram.hpp"
#include "stage.hpp"
#include "subject.hpp"

namespace tensorpool::bench {

constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;

// What the user asked for.
struct Plan {
  bool quick = false;    // only shows that everything works
  double pace = 1;       // of a full measurement: who has less time measures less of the same
  bool progress = true;  // said on standard error
  std::size_t rounds = 5;
  std::vector<std::uint64_t> sizes{};  // payload bytes; empty: each workload's own
  std::vector<double> rates{};         // per second; empty: each workload's own
  bool lock_memory = false;
  Cpus cpus{};
  std::vector<const Subject*> subjects{};  // that can run here and were asked for
  bool memcpy = true;                      // the bound that is no subject was asked for, too

  std::vector<std::uint64_t> sizes_or(std::vector<std::uint64_t> own) const {
    return sizes.empty() ? std::move(own) : sizes;
  }
  // Of a full measurement's time or frames.
  std::int64_t shorter(std::int64_t full) const {
    return static_cast<std::int64_t>(static_cast<double>(full) * pace);
  }
};

// One row of the report.
struct Case {
  const Subject* subject = nullptr;  // null: a bound of the workload itself
  std::string name;                  // of the subject or the bound
  std::string variant{};             // "conductor threaded"; empty: there is only one way
  std::uint64_t frame_bytes = 0;     // 0: no payload
  double rate_hz = 0;                // 0: not paced
  std::uint32_t receivers = 1;
  std::uint32_t links = 1;
  std::uint32_t slots = 8;
  std::vector<std::uint32_t> pools{};
  bool threaded = false;
  bool waits = false;
};

// A case of a subject, by its name.
inline Case case_of(const Subject& subject) {
  Case made;
  made.subject = &subject;
  made.name = subject.name();
  return made;
}

// One figure of one round.
struct Figure {
  std::string name;  // "p99", "frames per second"
  std::string unit;  // "ns"
  double value = 0;
  bool more_is_better = false;
  bool tail = false;  // made of few samples: see statistics.hpp
};

// What became of the frames of one round; everything that is not zero stands beside the figures.
struct Books {
  std::uint64_t sent = 0;
  std::uint64_t refused = 0;      // publish() said false
  std::uint64_t late = 0;         // sends that began after the next one was due
  std::uint64_t delivered = 0;    // whole, and seen by the handler
  std::uint64_t overwritten = 0;  // the sender was faster
  std::uint64_t lost = 0;
  std::uint64_t skipped = 0;
  std::uint64_t wrong = 0;  // whole, they say, but other bytes than were sent: never
  // Sent, not delivered, and no word of it: subjects that do not tell what they dropped.
  std::uint64_t unaccounted = 0;
};

// What was added between two moments.
Books difference(const Books& after, const Books& before);
Books sum(const Books& a, const Books& b);
// `unaccounted`, of what else is in the books; each frame goes to `receivers`.
std::uint64_t unaccounted_in(const Books& books, std::uint32_t receivers);

struct Outcome {
  std::vector<Figure> figures;
  Books books;
  std::string remark{};  // what the subject said of others who stood in its way
  double divisor = 1;    // of what is in the histogram
  // Filled in by the runner: how far the CPUs lay apart behind it (line_transfer.hpp; 0: they are one), and whether
  // that was otherwise before it.
  double line_ns = 0;
  bool moved = false;
};

// Where a round plays: a directory of its own and ids that nobody used before.
class Arena {
 public:
  Arena(const Stage& stage, const Plan& plan, std::uint32_t number);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // The `index`-th link of the round, at most links_of_a_round; links of one `group` share connections.
  Link link(const Case& one, std::uint32_t index = 0, std::uint32_t group = 0) const;
  const Stage& stage() const noexcept { return stage_; }
  const Plan& plan() const noexcept { return plan_; }
  bool share_cpu() const noexcept { return plan_.cpus.shared(); }
  void pin_sender() const;
  void pin_receiver() const;

 private:
  const Stage& stage_;
  const Plan& plan_;
  std::uint32_t first_id_;
  std::string directory_;
};

constexpr std::uint32_t links_of_a_round = 256;

class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  virtual std::string name() const = 0;   // as --workload takes it
  virtual std::string title() const = 0;  // a heading
  virtual std::string about() const = 0;  // what is measured and how, for whoever reads the report
  // Names of the subjects that others are compared with, where they have a row.
  virtual std::vector<std::string> references() const { return {}; }
  virtual std::vector<Case> cases(const Plan& plan) const = 0;
  // One round. Times go into `histogram`, which is empty. Throws Failure.
  virtual Outcome measure(const Arena& arena, const Case& one, Histogram& histogram) const = 0;
  // Bytes in /dev/shm while it is measured.
  virtual std::uint64_t shared_bytes(const Case& one) const;
};

// p50, p99, p99.9 and the maximum of what a round recorded.
void add_percentiles(std::vector<Figure>& figures, const Histogram& histogram, double divisor);

}  // namespace tensorpool::bench
