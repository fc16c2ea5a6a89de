// Regions that a producer of direct mode creates, and with them the house-keeping of its stream's directory
// (docs/protocol/04-driver.md B8).
#pragma once

#include <limits>
#include <optional>

#include "agents/region_source.hpp"
#include "shm/create.hpp"

namespace tensorpool::agents {

class OwnRegions final : public RegionSource {
 public:
  // Both outlive it.
  OwnRegions(const ProducerOptions& options, RegionUser& user) : options_(options), user_(user) {}

  void begin(AgentContext& context) override;
  int do_work(AgentContext& context) override;
  // The files of this epoch go at a clean end.
  Result<void> end(AgentContext& context) override;
  bool ended() const noexcept override { return true; }
  std::optional<Standing> standing() const noexcept override { return std::nullopt; }
  LeaseAgent* lease() noexcept override { return nullptr; }

 private:
  int step_creation(AgentContext& context);
  void collect_old_epochs(AgentContext& context);

  const ProducerOptions& options_;
  RegionUser& user_;
  std::optional<shm::StreamCreator> creator_;
  std::optional<shm::CreatedStream> created_;  // description and place; its mapping is the user's
  // When to look for old epochs, and when once more: for those that were too young at the creation.
  base::Nanos collect_at_ns_ = std::numeric_limits<base::Nanos>::max();
  base::Nanos collect_again_ns_ = std::numeric_limits<base::Nanos>::max();
  std::uint64_t collecting_ = 0;  // the epoch that is removed in part
};

}  // namespace tensorpool::agents
