// What a port's conductor said of its lease and its mapping, held against what it may say. One for each thread of an
// application; the ports that it opens one after the other share it.
#pragma once

#include <cstdint>
#include <string>

#include "agents/cell.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::simulation {

class LeaseWatch {
 public:
  // A request was submitted before duty cycle number `cycle`: until that is over, notices may be an
  // earlier port's.
  void asked(std::uint64_t cycle) noexcept {
    earlier_until_ = cycle;
    attached_ = mapped_ = false;
  }
  // Empty, or what is wrong.
  std::string on_notice(const Notice& notice, std::uint64_t cycle);
  // The notice that ended the producer lease of this epoch was heard.
  void on_producer_gone(std::uint64_t epoch) noexcept {
    if (epoch > gone_epoch_) gone_epoch_ = epoch;
  }
  // Epochs of the stream begin anew.
  void forget_epochs() noexcept { epoch_ = gone_epoch_ = 0; }
  // Behind a duty cycle, while the port is open.
  std::string after_cycle(const agents::Cell& cell, base::Nanos now, std::uint64_t cycle) const;

  bool attached() const noexcept { return attached_; }
  bool mapped() const noexcept { return mapped_; }
  std::uint64_t gone_epoch() const noexcept { return gone_epoch_; }
  std::uint64_t epoch() const noexcept { return epoch_; }

 private:
  bool attached_ = false;
  bool mapped_ = false;
  std::uint64_t epoch_ = 0;  // mapped last, by any port of the thread
  std::uint64_t gone_epoch_ = 0;
  std::uint64_t earlier_until_ = 0;
};

// What held when a call of a port began. What comes to the port later, its conductor may have changed meanwhile.
struct CallBegin {
  bool usable = true;  // there was a mapping, and the lease was not over
  std::uint64_t sessions = 0;
  std::uint64_t gone_epoch = 0;
};

}  // namespace tensorpool::simulation
