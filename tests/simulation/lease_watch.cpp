#include "simulation/lease_watch.hpp"

#include <fmt/format.h>

namespace tensorpool::simulation {

std::string LeaseWatch::on_notice(const Notice& notice, std::uint64_t cycle) {
  const bool earlier = cycle <= earlier_until_;
  switch (notice.kind) {
    case NoticeKind::attached:
      if (earlier) return {};
      if (attached_) return "a second lease is attached, though the first was not lost";
      attached_ = true;
      return {};
    case NoticeKind::lease_lost:
      if (earlier) return {};
      if (!attached_) return fmt::format("a lease is lost twice ({})", notice.text);
      attached_ = mapped_ = false;
      return {};
    case NoticeKind::attach_failed:
      if (!earlier && attached_)
        return fmt::format("an answer overrides the lease that is held: {}", notice.text);
      return {};
    case NoticeKind::mapped:
      if (notice.epoch < epoch_)
        return fmt::format("epoch {} is mapped behind {}", notice.epoch, epoch_);
      if (notice.epoch <= gone_epoch_) {
        return fmt::format("epoch {} is mapped after the notice that the producer of {} is gone",
                           notice.epoch, gone_epoch_);
      }
      epoch_ = notice.epoch;
      if (!earlier) mapped_ = true;
      return {};
    case NoticeKind::unmapped:
      mapped_ = false;
      return {};
    case NoticeKind::connected:
    case NoticeKind::connection_lost:
    case NoticeKind::announce_rejected:
    case NoticeKind::error:
    case NoticeKind::back_pressure:
      break;
  }
  return {};
}

std::string LeaseWatch::after_cycle(const agents::Cell& cell, base::Nanos now,
                                    std::uint64_t cycle) const {
  if (cycle <= earlier_until_) return {};
  const base::Nanos deadline = cell.lease_deadline.load(std::memory_order_relaxed);
  if (attached_ != (deadline != 0)) {
    return fmt::format("the application was told of {} lease, the port goes by the deadline {}",
                       attached_ ? "a" : "no", deadline);
  }
  if (attached_ && now > deadline)
    return fmt::format("the conductor goes on with a lease that was over at {}", deadline);
  if (mapped_ && gone_epoch_ != 0 && epoch_ <= gone_epoch_) {
    return fmt::format("epoch {} is still mapped after the notice that the producer of {} is gone",
                       epoch_, gone_epoch_);
  }
  return {};
}

}  // namespace tensorpool::simulation
