#include "agents/counters.hpp"

#include <fmt/format.h>

#include <utility>

namespace tensorpool::agents {
namespace {

constexpr base::Nanos mirror_interval_ns = 100'000'000;

constexpr CounterSource producer_sources[] = {
    {"claimed", [](const Cell& c, const AgentCounts&) { return c.producer.claimed.get(); }},
    {"published", [](const Cell& c, const AgentCounts&) { return c.producer.published.get(); }},
    {"not announced",
     [](const Cell& c, const AgentCounts&) { return c.producer.not_announced.get(); }},
    {"aborted", [](const Cell& c, const AgentCounts&) { return c.producer.aborted.get(); }},
    {"refused", [](const Cell& c, const AgentCounts&) { return c.producer.refused.get(); }},
    {"open", [](const Cell& c, const AgentCounts&) { return c.producer.open.get(); }},
    {"too large", [](const Cell& c, const AgentCounts&) { return c.producer.too_large.get(); }},
    {"claims exhausted",
     [](const Cell& c, const AgentCounts&) { return c.producer.exhausted.get(); }},
    {"back-pressured",
     [](const Cell& c, const AgentCounts&) { return c.producer.back_pressured.get(); }},
    {"bytes", [](const Cell& c, const AgentCounts&) { return c.producer.bytes.get(); }},
    {"mappings", [](const Cell& c, const AgentCounts&) { return c.producer.sessions.get(); }},
    {"wakes", [](const Cell& c, const AgentCounts&) { return c.producer.wakes.get(); }},
    {"empty wakes", [](const Cell& c, const AgentCounts&) { return c.producer.empty_wakes.get(); }},
    {"errors", [](const Cell&, const AgentCounts& a) { return a.errors; }},
};

constexpr CounterSource consumer_sources[] = {
    {"delivered", [](const Cell& c, const AgentCounts&) { return c.consumer.delivered.get(); }},
    {"overwritten", [](const Cell& c, const AgentCounts&) { return c.consumer.overwritten.get(); }},
    {"lost", [](const Cell& c, const AgentCounts&) { return c.consumer.lost.get(); }},
    {"skipped", [](const Cell& c, const AgentCounts&) { return c.consumer.skipped.get(); }},
    {"ended", [](const Cell& c, const AgentCounts&) { return c.consumer.ended.get(); }},
    {"bytes", [](const Cell& c, const AgentCounts&) { return c.consumer.bytes.get(); }},
    {"foreign descriptors",
     [](const Cell& c, const AgentCounts&) { return c.consumer.foreign.get(); }},
    {"other epochs",
     [](const Cell& c, const AgentCounts&) { return c.consumer.wrong_epoch.get(); }},
    {"duplicates", [](const Cell& c, const AgentCounts&) { return c.consumer.duplicates.get(); }},
    {"malformed", [](const Cell& c, const AgentCounts&) { return c.consumer.malformed.get(); }},
    {"resynchronisations",
     [](const Cell& c, const AgentCounts&) { return c.consumer.resyncs.get(); }},
    {"mappings", [](const Cell& c, const AgentCounts&) { return c.consumer.sessions.get(); }},
    {"sleeps", [](const Cell& c, const AgentCounts&) { return c.consumer.sleeps.get(); }},
    {"woken", [](const Cell& c, const AgentCounts&) { return c.consumer.woken.get(); }},
    {"remaps", [](const Cell&, const AgentCounts& a) { return a.remaps; }},
    {"errors", [](const Cell&, const AgentCounts& a) { return a.errors; }},
};

constexpr CounterSource client_sources[] = {
    {"longest conductor cycle ns",
     [](const Cell&, const AgentCounts& a) { return a.longest_cycle_ns; }},
    {"errors", [](const Cell&, const AgentCounts& a) { return a.errors; }},
};

}  // namespace

std::span<const CounterSource> producer_counters() noexcept { return producer_sources; }
std::span<const CounterSource> consumer_counters() noexcept { return consumer_sources; }
std::span<const CounterSource> client_counters() noexcept { return client_sources; }

std::string counter_label(std::string_view role, std::string_view name, std::uint32_t stream,
                          std::uint32_t id) {
  return fmt::format("tensorpool {} {} stream={} id={}", role, name, stream, id);
}

CounterLinks::CounterLinks(std::vector<std::string> labels, std::uint32_t stream, std::uint32_t id,
                           std::uint32_t process_id)
    : labels_(std::move(labels)),
      key_(counter_key(stream, id, process_id)),
      counters_(labels_.size()) {}

int CounterLinks::do_work(const std::shared_ptr<Generation>& generation, base::Nanos now,
                          base::Nanos deadline, FunctionRef<std::uint64_t(std::size_t)> value_of,
                          FunctionRef<void(const Error&)> on_error) {
  if (generation == nullptr) {
    drop();
    return 0;
  }
  if (generation_ != generation) {
    drop();
    generation_ = generation;
  }
  int work = 0;
  const bool mirror = now >= next_mirror_ns_;
  if (mirror) next_mirror_ns_ = now + mirror_interval_ns;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    LinkAdd<transport::Counter>& counter = counters_[i];
    if (!counter.ready()) {
      const auto step = counter.step(now, [&] {
        transport::CounterSpec spec;
        spec.type_id = counter_type_id;
        spec.key = key_;
        spec.label = labels_[i];
        return generation_->connection->add_counter(spec, deadline);
      });
      if (step) {
        work += *step;
      } else if (!std::exchange(told_, true)) {
        on_error(step.error());
      }
    } else if (mirror) {
      counter.get()->set(static_cast<std::int64_t>(value_of(i)));
    }
  }
  return work;
}

void CounterLinks::drop() {
  for (LinkAdd<transport::Counter>& counter : counters_) counter = LinkAdd<transport::Counter>{};
  generation_.reset();
  told_ = false;
}

CounterSet::CounterSet(std::span<const CounterSource> sources, std::string_view role,
                       std::uint32_t stream, std::uint32_t id, std::uint32_t process_id)
    : sources_(sources),
      stream_(stream),
      links_(
          [&] {
            std::vector<std::string> labels;
            for (const CounterSource& source : sources)
              labels.push_back(counter_label(role, source.name, stream, id));
            return labels;
          }(),
          stream, id, process_id) {}

int CounterSet::do_work(AgentContext& context, const Cell& cell, AgentCounts& counts) {
  return links_.do_work(
      context.generation, context.now().monotonic, context.add_deadline(),
      [&](std::size_t i) { return sources_[i].read(cell, counts); },
      [&](const Error& error) {
        ++counts.errors;
        context.notify(NoticeKind::error, stream_, 0, error.message());
      });
}

}  // namespace tensorpool::agents
