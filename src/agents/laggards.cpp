#include "agents/laggards.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "agents/counters.hpp"
#include "base/limits.hpp"
#include "wire/text.hpp"

namespace tensorpool::agents {
namespace {

static_assert(transport::library_counter_type_id == counter_type_id);

constexpr base::Nanos look_interval_ns = 100'000'000;
// Somebody who moves, but holds the producer up for a second.
constexpr int looks_until_slow = 10;
// A media driver that looks after its timers less often than this keeps an untethered laggard for too long. Ours does
// so every 10 ms, Aeron's own every second.
constexpr base::Nanos lax_beat_ns = 150'000'000;
constexpr base::Nanos ns_per_ms = 1'000'000;
// Without a refusal for this long, what was seen of somebody says nothing any more. A producer may be slow.
constexpr base::Nanos forget_after_ns = 10'000'000'000;
// A look at the media driver's heart maps its file and unmaps it again.
constexpr base::Nanos probe_interval_ns = 1'000'000'000;

std::string client_text(const transport::FlowClient& client) {
  std::string text = fmt::format("client {}", client.client_id);
  if (!client.name.empty())
    text += fmt::format(" \"{}\"", wire::printable(client.name, base::limits::client_name_bytes));
  if (client.process_id != 0) text += fmt::format(" (process {})", client.process_id);
  return text;
}

}  // namespace

std::string laggard_text(const transport::Flow& flow, const transport::FlowSubscriber& who,
                         bool stands, base::Nanos beat_ns) {
  std::string text = fmt::format(
      "subscription {} of {} {} on descriptor stream {} and holds this producer up, {} bytes "
      "behind; ",
      who.subscription_id, client_text(who.client), stands ? "stands still" : "reads too slowly",
      flow.stream_id, std::max<std::int64_t>(0, transport::distance(flow.position, who.position)));
  if (!stands) return text + "it needs a faster loop, a core of its own, or a stream of its own";
  if (who.tethered) {
    return text + fmt::format(
                      "it is tethered (\"{}\"), so the stream stops until it reads, leaves or "
                      "dies: end or continue its process, open it with tether=false, or give "
                      "it a stream of its own",
                      wire::printable(who.channel, base::limits::name_bytes));
  }
  if (beat_ns < lax_beat_ns)
    return text + "it is untethered, and the media driver is about to let go of it";
  return text +
         fmt::format(
             "it is untethered, but the media driver looks for such subscribers only about "
             "every {} ms and needs two looks to let go of one: use tensorpool's media driver, "
             "or a shorter timer interval (AERON_TIMER_INTERVAL=10ms)",
             beat_ns / ns_per_ms);
}

void Laggards::watch(const transport::Publication& publication) noexcept {
  watching_ = true;
  session_id_ = publication.session_id();
  stream_id_ = publication.stream_id();
  suspects_.clear();
}

void Laggards::drop() noexcept {
  watching_ = false;
  oldest_beat_ns_ = 0;
  next_probe_ns_ = 0;
  suspects_.clear();
  told_.clear();
}

int Laggards::do_work(AgentContext& context, std::uint32_t stream, std::uint64_t back_pressured) {
  const base::Nanos now = context.now().monotonic;
  if (now < next_look_ns_) return 0;
  next_look_ns_ = now + look_interval_ns;
  if (std::exchange(back_pressured_, back_pressured) == back_pressured) {
    if (suspects_.empty()) return 0;
    if (now - refused_at_ns_ > forget_after_ns || !flow(context)) suspects_.clear();
    return 1;
  }
  refused_at_ns_ = now;
  if (!watching_ || context.generation == nullptr || told_.size() >= base::limits::laggards_told)
    return 0;
  look(context, stream);
  return 1;
}

std::optional<transport::Flow> Laggards::flow(const AgentContext& context) const {
  if (!watching_ || context.generation == nullptr) return std::nullopt;
  auto flow = context.generation->connection->flow(session_id_, stream_id_);
  if (flow && !flow->held_up()) flow.reset();
  return flow;
}

void Laggards::probe(AgentContext& context) {
  transport::ConnectOptions media_driver;
  media_driver.directory = context.options.aeron_dir;
  media_driver.driver_timeout_ns = context.options.media_driver_timeout_ns;
  oldest_beat_ns_ =
      std::max(oldest_beat_ns_, context.world.transport.probe(media_driver).heartbeat_age_ns);
  next_probe_ns_ = context.now().monotonic + probe_interval_ns;
}

void Laggards::look(AgentContext& context, std::uint32_t stream) {
  const auto flow = this->flow(context);
  if (!flow) return suspects_.clear();
  for (Suspect& one : suspects_) one.seen = false;
  for (const transport::FlowSubscriber& who : flow->subscribers) {
    if (!who.holds || std::ranges::find(told_, who.subscription_id) != told_.end()) continue;
    Suspect& before = suspect(who);
    before.seen = true;
    const bool stands = before.looks > 0 && before.position == who.position;
    before.position = who.position;
    ++before.looks;
    // How old the beat is says little at one moment, so it is asked at two: here, and before it is told.
    if (stands || (before.looks == 1 && context.now().monotonic >= next_probe_ns_)) probe(context);
    if (stands || before.looks >= looks_until_slow) tell(context, stream, *flow, who, stands);
  }
  std::erase_if(suspects_, [](const Suspect& one) { return !one.seen; });
}

Laggards::Suspect& Laggards::suspect(const transport::FlowSubscriber& who) {
  const auto found = std::ranges::find(suspects_, who.subscription_id, &Suspect::subscription_id);
  if (found != suspects_.end()) return *found;
  return suspects_.emplace_back(Suspect{who.subscription_id, who.position, 0, true});
}

void Laggards::tell(AgentContext& context, std::uint32_t stream, const transport::Flow& flow,
                    const transport::FlowSubscriber& who, bool stands) {
  if (told_.size() >= base::limits::laggards_told) return;
  told_.push_back(who.subscription_id);
  context.notify(NoticeKind::back_pressure, stream, 0,
                 laggard_text(flow, who, stands, oldest_beat_ns_));
}

}  // namespace tensorpool::agents
