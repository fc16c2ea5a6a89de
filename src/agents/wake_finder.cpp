#include "agents/wake_finder.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/limits.hpp"

namespace tensorpool::agents {
namespace {

// Until a look has found it, who sleeps is woken by its slices only.
constexpr base::Nanos look_interval_ns = 100'000'000;
constexpr std::uint32_t key_layout = 1;
static_assert(std::endian::native == std::endian::little);

void find(const transport::Connection& connection, std::int32_t type_id,
          std::vector<WakeCounter>& found) {
  found.clear();
  connection.find_counters(type_id, [&](const transport::FoundCounter& counter) {
    std::array<std::uint32_t, 4> key;
    if (counter.key.size() < sizeof key || found.size() >= base::limits::wake_counters) return;
    std::memcpy(key.data(), counter.key.data(), sizeof key);
    if (key[0] == key_layout) found.push_back({counter.id, key[1], counter.place});
  });
}

}  // namespace

CounterKey counter_key(std::uint32_t stream, std::uint32_t id, std::uint32_t process_id) noexcept {
  const std::array<std::uint32_t, 4> words{key_layout, stream, id, process_id};
  return std::bit_cast<CounterKey>(words);
}

void WakeFinder::do_work(const std::shared_ptr<Generation>& generation, base::Nanos now) {
  const auto known = generation_.lock();
  if (generation != known || generation == nullptr) {
    if (!bells_.empty() || !armed_.empty()) ++version_;
    ++looks_;
    bells_.clear();
    armed_.clear();
    generation_ = generation;
    next_look_ns_ = 0;
  }
  if (generation == nullptr || now < next_look_ns_) return;
  next_look_ns_ = now + look_interval_ns;
  ++looks_;
  const auto look = [&](std::int32_t type_id, std::vector<WakeCounter>& list) {
    find(*generation->connection, type_id, scratch_);
    if (std::ranges::equal(scratch_, list)) return;
    list.swap(scratch_);
    ++version_;
  };
  look(bell_type_id, bells_);
  look(armed_type_id, armed_);
}

}  // namespace tensorpool::agents
