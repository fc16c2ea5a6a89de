#include "workload.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace tensorpool::bench {

Arena::Arena(const Stage& stage, const Plan& plan, std::uint32_t number)
    : stage_(stage),
      plan_(plan),
      first_id_(1 + number * links_of_a_round),
      directory_(fmt::format("{}/round-{}", stage.directory(), number)) {
  std::filesystem::create_directory(directory_);
}

Arena::~Arena() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Link Arena::link(const Case& one, std::uint32_t index, std::uint32_t group) const {
  Link link;
  link.directory = directory_;
  link.aeron_dir = stage_.aeron_dir();
  link.id = first_id_ + index;
  link.group = first_id_ + group;
  link.frame_bytes = one.frame_bytes == 0 ? 64 : one.frame_bytes;
  link.slots = one.slots;
  link.receivers = one.receivers;
  link.pools = one.pools;
  link.threaded = one.threaded;
  link.waits = one.waits;
  link.lock_memory = plan_.lock_memory;
  return link;
}

void Arena::pin_sender() const { pin(plan_.cpus.first); }
void Arena::pin_receiver() const { pin(plan_.cpus.second); }

std::uint64_t Workload::shared_bytes(const Case& one) const {
  if (one.subject == nullptr) return 0;
  Link link;
  link.frame_bytes = one.frame_bytes;
  link.slots = one.slots;
  link.receivers = one.receivers;
  link.pools = one.pools;
  return one.links * one.subject->shared_bytes(link);
}

void add_percentiles(std::vector<Figure>& figures, const Histogram& histogram, double divisor) {
  figures.push_back({"p50", "ns", histogram.at(50, divisor), false, false});
  figures.push_back({"p99", "ns", histogram.at(99, divisor), false, true});
  figures.push_back({"p99.9", "ns", histogram.at(99.9, divisor), false, true});
  figures.push_back({"max", "ns", histogram.max(divisor), false, true});
}

Books difference(const Books& after, const Books& before) {
  return {after.sent - before.sent,
          after.refused - before.refused,
          after.late - before.late,
          after.delivered - before.delivered,
          after.overwritten - before.overwritten,
          after.lost - before.lost,
          after.skipped - before.skipped,
          after.wrong - before.wrong,
          after.unaccounted - before.unaccounted};
}

Books sum(const Books& a, const Books& b) {
  return {a.sent + b.sent,
          a.refused + b.refused,
          a.late + b.late,
          a.delivered + b.delivered,
          a.overwritten + b.overwritten,
          a.lost + b.lost,
          a.skipped + b.skipped,
          a.wrong + b.wrong,
          a.unaccounted + b.unaccounted};
}

std::uint64_t unaccounted_in(const Books& books, std::uint32_t receivers) {
  const std::uint64_t sent = (books.sent - books.refused) * receivers;
  const std::uint64_t known = books.delivered + books.overwritten + books.lost + books.skipped;
  return sent > known ? sent - known : 0;  // who refuses a frame may count it as lost, too
}

}  // namespace tensorpool::bench
