#include "transport/aeron/positions.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/limits.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/cnc.hpp"
#include "transport/aeron/counters_reader.hpp"

namespace tensorpool::transport::aeron {
namespace {

// Kinds of Aeron's counters, and how their keys begin. Not in its public headers, but on every tool's screen.
constexpr std::int32_t publisher_limit_type = 1;
constexpr std::int32_t subscriber_position_type = 4;
constexpr std::int32_t client_heartbeat_type = 11;
constexpr std::int32_t publisher_position_type = 12;
struct PositionKey {
  std::int64_t registration_id;
  std::int32_t session_id;
  std::int32_t stream_id;
};
static_assert(sizeof(PositionKey) == 16);
constexpr std::size_t process_id_at = 12;  // in the key of a counter of ours

struct Reading {
  aeron_counters_reader_t* counters = nullptr;
  std::optional<std::pair<std::int32_t, std::int32_t>> wanted;  // session and stream
  std::map<std::int64_t, Flow> flows;                           // by publication
  std::vector<std::pair<std::int64_t, FlowSubscriber>> subscribers;
  std::map<std::int64_t, FlowClient> clients;
};

// "sub-pos: 12 -5 1100 aeron:ipc?tether=false @0": the channel is the rest but for the join position. The key has it,
// too, but cut.
std::string channel_in(std::string_view label) {
  const std::size_t kind = label.find(": ");  // "pub-pos (sampled)", for one
  if (kind == label.npos) return {};
  label.remove_prefix(kind + 2);
  for (int field = 0; field < 3; ++field) {
    const std::size_t space = label.find(' ');
    if (space == label.npos) return {};
    label.remove_prefix(space + 1);
  }
  if (const std::size_t joined = label.rfind(" @"); joined != label.npos)
    label.remove_suffix(label.size() - joined);
  return std::string(label.substr(0, base::limits::channel_bytes));
}

// "client-heartbeat: id=7 name=viewer version=1.54.0 commit=…"
std::string name_in(std::string_view label) {
  constexpr std::string_view before = " name=";
  const std::size_t at = label.find(before);
  if (at == label.npos) return {};
  label.remove_prefix(at + before.size());
  if (const std::size_t end = label.rfind(" version="); end != label.npos)
    label.remove_suffix(label.size() - end);
  return std::string(label.substr(0, base::limits::client_name_bytes));
}

void take(Reading& reading, std::int64_t value, std::int32_t id, std::int32_t type_id,
          std::string_view key, std::string_view label) {
  std::int64_t owner = 0;
  (void)aeron_counters_reader_counter_owner_id(reading.counters, id, &owner);
  if (type_id == client_heartbeat_type && key.size() >= sizeof(std::int64_t)) {
    std::int64_t client = 0;
    std::memcpy(&client, key.data(), sizeof client);
    reading.clients[client].name = name_in(label);
    return;
  }
  if (type_id == library_counter_type_id && key.size() >= process_id_at + sizeof(std::uint32_t)) {
    std::memcpy(&reading.clients[owner].process_id, key.data() + process_id_at,
                sizeof(std::uint32_t));
    return;
  }
  const bool subscriber = type_id == subscriber_position_type;
  if (!subscriber && type_id != publisher_limit_type && type_id != publisher_position_type) return;
  PositionKey at{};
  if (key.size() < sizeof at) return;
  std::memcpy(&at, key.data(), sizeof at);
  if (reading.wanted && *reading.wanted != std::pair(at.session_id, at.stream_id)) return;
  if (subscriber) {
    std::int64_t publication = 0;
    (void)aeron_counters_reader_counter_reference_id(reading.counters, id, &publication);
    FlowSubscriber one;
    one.subscription_id = at.registration_id;
    one.position = value;
    one.channel = channel_in(label);
    one.tethered = one.channel.find("tether=false") == one.channel.npos;
    one.client.client_id = owner;
    if (reading.subscribers.size() < base::limits::flow_subscribers)
      reading.subscribers.emplace_back(publication, std::move(one));
    return;
  }
  if (reading.flows.size() >= base::limits::flows_listed &&
      !reading.flows.contains(at.registration_id))
    return;
  Flow& flow = reading.flows[at.registration_id];
  flow.publication_id = at.registration_id;
  flow.session_id = at.session_id;
  flow.stream_id = at.stream_id;
  flow.channel = channel_in(label);
  flow.client.client_id = owner;
  (type_id == publisher_limit_type ? flow.limit : flow.position) = value;
}

void on_counter(std::int64_t value, std::int32_t id, std::int32_t type_id, const std::uint8_t* key,
                std::size_t key_length, const char* label, std::size_t label_length,
                void* clientd) noexcept {
  try {
    const auto* bytes = static_cast<const char*>(static_cast<const void*>(key));
    take(*static_cast<Reading*>(clientd), value, id, type_id, {bytes, key_length},
         label_text(label, label_length));
  } catch (...) {  // no memory: one row less
  }
}

// Three terms and a little; a window is half a term, unless somebody configured the media driver otherwise.
std::int64_t window_of(const std::string& directory, std::int64_t publication_id) {
  struct stat file{};
  const std::string path = fmt::format("{}/publications/{}.logbuffer", directory, publication_id);
  if (::stat(path.c_str(), &file) != 0 || file.st_size <= 0) return 0;
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(file.st_size) / 3) /
                                   2);
}

std::vector<Flow> put_together(Reading& reading, const std::string& directory) {
  const auto known = [&](FlowClient& client) {
    const auto found = reading.clients.find(client.client_id);
    if (found == reading.clients.end()) return;
    client.name = found->second.name;
    client.process_id = found->second.process_id;
  };
  for (auto& [publication, subscriber] : reading.subscribers) {
    known(subscriber.client);
    const auto flow = reading.flows.find(publication);
    if (flow != reading.flows.end()) flow->second.subscribers.push_back(std::move(subscriber));
  }
  std::vector<Flow> flows;
  for (auto& [publication, flow] : reading.flows) {
    known(flow.client);
    flow.window_bytes = window_of(directory, publication);
    find_holders(flow);
    flows.push_back(std::move(flow));
  }
  std::ranges::sort(flows, {},
                    [](const Flow& flow) { return std::tuple(flow.stream_id, flow.session_id); });
  return flows;
}

}  // namespace

std::optional<Flow> flow_of(aeron_counters_reader_t* counters, const std::string& directory,
                            std::int32_t session_id, std::int32_t stream_id) {
  Reading reading;
  reading.counters = counters;
  reading.wanted = {session_id, stream_id};
  aeron_counters_reader_foreach_counter(counters, &on_counter, &reading);
  std::vector<Flow> flows = put_together(reading, directory);
  if (flows.empty()) return std::nullopt;
  return std::move(flows.front());
}

Result<std::vector<Flow>> list_flows(const std::string& directory) {
  auto usable = usable_directory("list_flows", directory);
  if (!usable) return fail(std::move(usable.error()));
  const Cnc cnc = open_cnc(*usable);
  if (cnc == nullptr) {
    return fail(Code::no_media_driver, "list_flows",
                fmt::format("no media driver files in {}; name the directory of one", *usable));
  }
  Reading reading;
  reading.counters = aeron_cnc_counters_reader(cnc.get());
  aeron_counters_reader_foreach_counter(reading.counters, &on_counter, &reading);
  return put_together(reading, *usable);
}

}  // namespace tensorpool::transport::aeron
