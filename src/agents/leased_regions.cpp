#include "agents/leased_regions.hpp"

#include <utility>

#include "agents/describe.hpp"
#include "shm/map.hpp"

namespace tensorpool::agents {

LeasedRegions::LeasedRegions(AgentContext& context, const Request& request,
                             std::shared_ptr<Cell> cell, RegionUser& user)
    : user_(user),
      lease_(
          context,
          lease_settings(context.options, request.producer.attach, wire::driver::Role::producer,
                         request.producer.stream, request.producer.producer_id, request.id_is_ours),
          std::move(cell), *this) {}

int LeasedRegions::do_work(AgentContext& context) {
  const int work = lease_.do_work(context);
  if (lease_.over() && !std::exchange(told_over_, true)) {
    user_.on_no_regions(context, lease_.last_error());
    return work + 1;
  }
  return work;
}

// Maps at once: a mapping costs microseconds per region, and the driver has prefaulted what it wanted
// to. The deadline of the lease runs meanwhile.
Result<bool> LeasedRegions::on_granted(AgentContext& context,
                                       const protocol::LeaseGranted& granted) {
  auto mapped = shm::map_stream(context.world.file_system, context.map_policy,
                                describe(granted.regions), base::Access::read_write);
  if (!mapped) return fail(std::move(mapped.error()));
  auto regions = std::make_unique<LentRegions>(std::move(*mapped), ++last_session_);
  user_.on_regions(context, std::move(regions), granted.regions, granted.regions.header_region_uri);
  return true;
}

Result<void> LeasedRegions::end(AgentContext& context) {
  lease_.close(context);
  return {};
}

}  // namespace tensorpool::agents
