// The driver's core alone, without messages and files: what a keepalive, a timer step and a lease cost.
#include <malloc.h>

#include <variant>

#include "driver_bench.hpp"
#include "protocol/driver/driver_core.hpp"

namespace tensorpool::bench {
namespace {

using namespace protocol::driver;
using protocol::Now;
using wire::driver::Role;
using wire::driver::ShmLeaseKeepalive;

constexpr base::Nanos second = 1'000'000'000;
constexpr std::uint32_t streams = 256;
constexpr std::uint32_t leases = 1'000;
constexpr const char* part = "core";

Settings settings() {
  Settings settings;
  settings.first_lease_id = 1;
  settings.profiles = {{"p", 8, {{1, 65'536}}}};
  for (std::uint32_t i = 0; i < streams; ++i) settings.streams.push_back({driver_stream + i, "p"});
  return settings;
}

wire::ShmPoolAnnounce description(const CreateRegions& job) {
  wire::ShmPoolAnnounce regions;
  regions.epoch = job.layout.epoch;
  regions.layout_version = 1;
  regions.header_nslots = job.layout.nslots;
  regions.header_slot_bytes = 256;
  regions.header_region_uri = "shm:file?path=/dev/shm/tensorpool-user/default/10000/1/header.ring";
  for (const auto& pool : job.layout.pools)
    regions.payload_pools.push_back(
        {pool.pool_id, job.layout.nslots, pool.stride_bytes,
         "shm:file?path=/dev/shm/tensorpool-user/default/10000/1/1.pool"});
  return regions;
}

// A core whose files are made at once.
class World {
 public:
  World() : core_(settings(), at(0)) {}

  Now at(base::Nanos ns) const { return {start_ + ns, start_ + ns}; }

  void attach(std::uint32_t client_id, std::uint32_t stream_id, Role role) {
    wire::driver::ShmAttachRequest request;
    request.correlation_id = client_id;
    request.stream_id = stream_id;
    request.client_id = client_id;
    request.role = role;
    core_.on_attach(now_, request, actions_);
    settle();
  }
  void advance(base::Nanos ns) { now_ = {now_.monotonic + ns, now_.realtime + ns}; }
  DriverCore& core() { return core_; }
  Now now() const { return now_; }
  Actions& actions() { return actions_; }
  std::vector<ShmLeaseKeepalive>& held() { return held_; }

  // Takes the actions, answers them, and remembers the leases that were granted.
  void settle() {
    while (!actions_.empty()) {
      for (Action& action : actions_.take()) {
        if (const auto* job = std::get_if<CreateRegions>(&action))
          core_.on_created(now_, job->request_id, description(*job), actions_);
        if (const auto* answer = std::get_if<SendAttachResponse>(&action)) {
          if (answer->message.code != wire::ResponseCode::ok)
            throw Failure("refused: " + answer->message.error_message);
          const auto client = static_cast<std::uint32_t>(answer->message.correlation_id);
          held_.push_back({answer->message.lease_id.value_or(0),
                           answer->message.stream_id.value_or(0), client,
                           client <= streams ? Role::producer : Role::consumer, 1});
        }
      }
    }
  }

 private:
  base::Nanos start_ = 1'000 * second;
  Now now_{start_, start_};
  DriverCore core_;
  Actions actions_;
  std::vector<ShmLeaseKeepalive> held_;
};

// Client ids 1 to `count`: a producer for each stream, then consumers of all of them.
void attach_all(World& world, std::uint32_t count) {
  for (std::uint32_t id = 1; id <= count; ++id)
    world.attach(id, driver_stream + id % streams, id <= streams ? Role::producer : Role::consumer);
}

double allocated_bytes() { return static_cast<double>(::mallinfo2().uordblks); }

// Of consumer leases, beside those of the producers.
double bytes_per_lease(std::uint32_t more) {
  World world;
  world.held().reserve(streams + more);
  attach_all(world, streams);
  const double before = allocated_bytes();
  for (std::uint32_t id = streams + 1; id <= streams + more; ++id)
    world.attach(id, driver_stream + id % streams, Role::consumer);
  return (allocated_bytes() - before) / more;
}

struct Costs {
  double keepalive_ns = 0;
  double timer_step_ns = 0;
  double steps_per_second = 0;
};

// `seconds` of virtual time: every lease says once a second that it lives, and the timers do their work.
Costs costs(int seconds) {
  World world;
  attach_all(world, leases);
  std::int64_t keepalives_ns = 0;
  std::int64_t timers_ns = 0;
  std::uint64_t steps = 0;
  constexpr int slices = 100;
  for (int slice = 0; slice < seconds * slices; ++slice) {
    world.advance(second / slices);
    const std::size_t from =
        world.held().size() * static_cast<std::size_t>(slice % slices) / slices;
    const std::size_t to =
        world.held().size() * static_cast<std::size_t>(slice % slices + 1) / slices;
    const std::int64_t start = now_ns();
    for (std::size_t i = from; i < to; ++i)
      world.core().on_keepalive(world.now(), world.held()[i], world.actions());
    keepalives_ns += now_ns() - start;
    world.settle();
    world.core().on_drained();
    while (world.core().deadline() <= world.now().monotonic) {
      const std::int64_t before = now_ns();
      world.core().on_timer(world.now(), world.actions());
      timers_ns += now_ns() - before;
      ++steps;
      world.settle();
    }
  }
  if (world.core().leases().size() != leases) throw Failure("leases were lost in the core's bench");
  return {static_cast<double>(keepalives_ns) / (static_cast<double>(leases) * seconds),
          static_cast<double>(timers_ns) / static_cast<double>(steps),
          static_cast<double>(steps) / seconds};
}

}  // namespace

void measure_core(DriverRows& rows, const DriverBenchOptions& options) {
  (void)costs(1);  // warms up
  const Costs found = costs(options.quick ? 1 : 20);
  add(rows, part, "one keepalive, 1000 leases", "ns", found.keepalive_ns);
  add(rows, part, "one timer step (up to 16 announces), 256 streams", "ns", found.timer_step_ns);
  add(rows, part, "timer steps a second", "", found.steps_per_second);
  add(rows, part, "memory per lease", "bytes", bytes_per_lease(3'000));
}

}  // namespace tensorpool::bench
