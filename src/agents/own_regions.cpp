#include "agents/own_regions.hpp"

#include <utility>

#include "agents/describe.hpp"

namespace tensorpool::agents {
namespace {

// How many announce periods an epoch must have been silent for before it is removed (SHM-270).
constexpr base::Nanos epoch_age_periods = 3;
constexpr base::Nanos never = std::numeric_limits<base::Nanos>::max();

}  // namespace

void OwnRegions::begin(AgentContext& context) {
  shm::CreateOptions create;
  create.base_dir = options_.base_dir;
  create.namespace_ = options_.namespace_name;
  create.file_mode = options_.file_mode;
  create.prefault = options_.prefault;
  create.mlock = options_.lock_memory;
  create.exclusive = true;
  shm::StreamLayout layout;
  layout.stream_id = options_.stream;
  layout.nslots = options_.slots;
  for (const PoolOptions& pool : options_.pools)
    layout.pools.push_back({pool.pool_id, pool.stride_bytes});
  creator_.emplace(context.world.file_system, std::move(create), std::move(layout),
                   static_cast<std::uint64_t>(context.now().monotonic));
}

int OwnRegions::do_work(AgentContext& context) {
  int work = step_creation(context);
  if (context.now().monotonic >= collect_at_ns_) {
    collect_old_epochs(context);
    ++work;
  }
  return work;
}

// A bounded step of the creation in each duty cycle: gigabytes are prefaulted without holding up
// anybody else.
int OwnRegions::step_creation(AgentContext& context) {
  if (!creator_) return 0;
  auto done = creator_->step();
  if (!done) {
    creator_.reset();
    user_.on_no_regions(context, std::move(done.error()));
    return 1;
  }
  if (!*done) return 1;
  created_.emplace(creator_->take());
  creator_.reset();
  collect_at_ns_ = context.now().monotonic;
  collect_again_ns_ = collect_at_ns_ + (epoch_age_periods + 1) * context.options.announce_period_ns;
  // The session of such a mapping is its epoch: a producer makes one in its life.
  auto regions =
      std::make_unique<LentRegions>(std::move(created_->mapped), created_->regions.layout.epoch);
  user_.on_regions(context, std::move(regions), describe(created_->regions), created_->directory);
  return 1;
}

// Epochs that dead producers of this stream left behind (SHM-265, SHM-270): one file a cycle, so that
// gigabytes of them hold nobody up for long. Twice, for those that are too young at the creation.
void OwnRegions::collect_old_epochs(AgentContext& context) {
  const protocol::Now now = context.now();
  shm::CollectOptions collect;
  collect.base_dir = options_.base_dir;
  collect.namespace_ = options_.namespace_name;
  collect.stream_id = options_.stream;
  collect.current_epoch = created_->regions.layout.epoch;
  collect.min_age_ns =
      static_cast<std::uint64_t>(epoch_age_periods * context.options.announce_period_ns);
  collect.now_monotonic_ns = static_cast<std::uint64_t>(now.monotonic);
  collect.now_realtime_ns = now.realtime;
  collect.max_files = 1;
  collect.unfinished_epoch = collecting_;
  const auto collected = shm::collect_epochs(context.world.file_system, collect);
  if (!collected)
    context.notify(NoticeKind::error, options_.stream, 0, collected.error().message());
  collecting_ = collected ? collected->unfinished_epoch : 0;
  if (collected && collected->more) return;
  collect_at_ns_ = std::exchange(collect_again_ns_, never);
}

Result<void> OwnRegions::end(AgentContext& context) {
  creator_.reset();
  collect_at_ns_ = never;
  Result<void> removed;
  if (created_ && options_.remove_on_close)
    removed = shm::remove_stream(context.world.file_system, *created_);
  created_.reset();
  return removed;
}

}  // namespace tensorpool::agents
