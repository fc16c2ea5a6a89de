#include "tp/driver_counters.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "agents/counters.hpp"
#include "base/limits.hpp"
#include "tp/json.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

// "tensorpool driver NAME stream=N id=N instance=REST"
struct Label {
  std::string_view name;
  std::uint32_t stream = 0;
  std::uint32_t process_id = 0;
  std::string_view instance;
};

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool take(std::string_view& text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::optional<Label> parse(std::string_view text) {
  Label label;
  if (!take(text, "tensorpool driver ")) return std::nullopt;
  const std::size_t end = text.find(" stream=");  // no name holds a '='
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  label.name = text.substr(0, end);
  text.remove_prefix(end);
  if (!take(text, " stream=") || !take(text, label.stream) || !take(text, " id=") ||
      !take(text, label.process_id) || !take(text, " instance="))
    return std::nullopt;
  label.instance = text;
  return label;
}

// The values of protocol::driver::State.
std::string state_name(std::optional<std::uint64_t> state) {
  constexpr std::string_view names[] = {"running", "draining", "stopped"};
  if (!state) return "unknown";
  if (*state < std::size(names)) return std::string(names[*state]);
  return fmt::format("unknown ({})", *state);
}

// JSON name and counter of one field.
using Field = std::pair<const char*, const char*>;

Json fields(const DriverSeen& driver, std::span<const Field> wanted) {
  Json object = Json::object();
  for (const auto& [name, counter] : wanted) {
    const auto value = driver.value(counter);
    object[name] = value ? Json(*value) : Json(nullptr);
  }
  return object;
}

constexpr Field lease_fields[] = {
    {"producers", "producer leases"}, {"consumers", "consumer leases"},
    {"detached", "leases detached"},  {"expired", "leases expired"},
    {"revoked", "leases revoked"},    {"without_node_id", "leases without node id"},
    {"keepalives", "keepalives"},     {"keepalives_ignored", "keepalives ignored"}};
constexpr Field attach_fields[] = {{"granted", "attaches granted"},
                                   {"pending", "attaches pending"},
                                   {"copies_answered", "attaches copies answered"}};
constexpr Field refusal_fields[] = {{"UNSUPPORTED", "attaches refused UNSUPPORTED"},
                                    {"INVALID_PARAMS", "attaches refused INVALID_PARAMS"},
                                    {"REJECTED", "attaches refused REJECTED"},
                                    {"INTERNAL_ERROR", "attaches refused INTERNAL_ERROR"}};
constexpr Field stream_fields[] = {{"known", "streams"},
                                   {"with_regions", "streams with regions"},
                                   {"bytes_reserved", "bytes reserved"},
                                   {"announces", "announces"}};
constexpr Field epoch_fields[] = {{"created", "epochs created"},
                                  {"failed", "epochs failed"},
                                  {"removed", "epochs removed"},
                                  {"removals_failed", "epoch removals failed"},
                                  {"file_jobs_outstanding", "file jobs outstanding"}};
constexpr Field message_fields[] = {{"unsent", "messages unsent"},
                                    {"lost", "messages lost"},
                                    {"requests_shed", "requests shed"},
                                    {"requests_malformed", "requests malformed"},
                                    {"hellos_answered", "hellos answered"},
                                    {"shutdown_requests_ignored", "shutdown requests ignored"}};

std::string number(const Json& value) {
  return value.is_number() ? fmt::format("{}", value.get<std::uint64_t>()) : "?";
}

std::string line(std::string_view what, std::string_view text) {
  return fmt::format("  {:<12} {}", what, text);
}

std::string refused_text(const Json& refused) {
  std::string text;
  for (const auto& [code, count] : refused.items()) {
    if (count.is_number() && count.get<std::uint64_t>() == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number(count), code);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::optional<std::uint64_t> DriverSeen::value(std::string_view name) const {
  const auto found = counters.find(name);
  if (found == counters.end()) return std::nullopt;
  return found->second;
}

std::vector<DriverSeen> drivers_in(std::span<const transport::aeron::CounterView> counters) {
  std::map<std::tuple<std::string, std::uint32_t, std::int64_t, std::uint32_t>, DriverSeen> found;
  for (const transport::aeron::CounterView& counter : counters) {
    if (counter.type_id != agents::counter_type_id) continue;
    const auto label = parse(counter.label);
    if (!label) continue;
    std::string instance = wire::printable(label->instance, base::limits::instance_id_bytes);
    DriverSeen& driver = found[{instance, label->process_id, counter.owner_id, label->stream}];
    driver.instance = std::move(instance);
    driver.control_stream = label->stream;
    driver.process_id = label->process_id;
    driver.owner_id = counter.owner_id;
    driver.counters.try_emplace(wire::printable(label->name, base::limits::name_bytes),
                                static_cast<std::uint64_t>(counter.value));
  }
  std::vector<DriverSeen> drivers;
  drivers.reserve(found.size());
  for (auto& [key, driver] : found) drivers.push_back(std::move(driver));
  return drivers;
}

bool process_alive(std::uint32_t process_id) noexcept {
  // 0 and what turns negative would ask for groups of processes.
  if (process_id == 0 || process_id > std::numeric_limits<std::int32_t>::max()) return false;
  return ::kill(static_cast<pid_t>(process_id), 0) == 0 || errno == EPERM;
}

Json status_of(const DriverSeen& driver, bool alive) {
  const auto connected = driver.value("connected");
  const auto cycle = driver.value("longest cycle ns");
  const auto errors = driver.value("errors");
  Json attaches = fields(driver, attach_fields);
  attaches["refused"] = fields(driver, refusal_fields);
  return Json{{"kind", "driver"},
              {"instance", driver.instance},
              {"process_id", driver.process_id},
              {"process_alive", alive},
              {"control_stream", driver.control_stream},
              {"state", state_name(driver.value("state"))},
              {"connected", connected ? Json(*connected != 0) : Json(nullptr)},
              {"leases", fields(driver, lease_fields)},
              {"attaches", std::move(attaches)},
              {"streams", fields(driver, stream_fields)},
              {"epochs", fields(driver, epoch_fields)},
              {"messages", fields(driver, message_fields)},
              {"longest_cycle_ns", cycle ? Json(*cycle) : Json(nullptr)},
              {"errors", errors ? Json(*errors) : Json(nullptr)}};
}

std::vector<std::string> status_lines(const Json& status) {
  const bool alive = status["process_alive"].get<bool>();
  const bool linked = status["connected"].is_null() || status["connected"].get<bool>();
  const Json& leases = status["leases"];
  const Json& attaches = status["attaches"];
  const Json& streams = status["streams"];
  const Json& epochs = status["epochs"];
  const Json& messages = status["messages"];
  const Json& reserved = streams["bytes_reserved"];
  const Json& cycle = status["longest_cycle_ns"];
  return {
      fmt::format("driver {}: {}, {}, process {} {}, control stream {}",
                  paint(Colour::bold, status["instance"].get<std::string>()),
                  status["state"].get<std::string>(),
                  linked ? "connected" : paint(Colour::yellow, "its streams are not up"),
                  status["process_id"].get<std::uint32_t>(),
                  alive ? "alive"
                        : paint(Colour::red, "gone, or in a PID namespace (container) of its own"),
                  status["control_stream"].get<std::uint32_t>()),
      line("leases", fmt::format("{} of producers, {} of consumers; {} detached, {} expired, {} "
                                 "revoked so far",
                                 number(leases["producers"]), number(leases["consumers"]),
                                 number(leases["detached"]), number(leases["expired"]),
                                 number(leases["revoked"]))),
      line("attaches",
           fmt::format("{} granted, {} waiting, refused: {}", number(attaches["granted"]),
                       number(attaches["pending"]), refused_text(attaches["refused"]))),
      line("streams",
           fmt::format("{}, {} with regions: {} reserved ({} bytes)", number(streams["known"]),
                       number(streams["with_regions"]),
                       reserved.is_number() ? human_bytes(reserved.get<std::uint64_t>()) : "?",
                       number(reserved))),
      line("epochs", fmt::format("{} created, {} failed, {} removed, {} removals failed",
                                 number(epochs["created"]), number(epochs["failed"]),
                                 number(epochs["removed"]), number(epochs["removals_failed"]))),
      line("messages",
           fmt::format("{} wait to be sent, {} lost, {} requests shed, {} malformed",
                       number(messages["unsent"]), number(messages["lost"]),
                       number(messages["requests_shed"]), number(messages["requests_malformed"]))),
      line("duty cycle",
           fmt::format("at most {}; {} errors",
                       cycle.is_number()
                           ? human_ns(static_cast<std::int64_t>(std::min<std::uint64_t>(
                                 cycle.get<std::uint64_t>(), std::uint64_t{1} << 62U)))
                           : "?",
                       number(status["errors"])))};
}

}  // namespace tensorpool::cli
