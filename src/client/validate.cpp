#include "client/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <string>

#include "base/limits.hpp"
#include "shm/create.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::client {
namespace {

namespace limits = base::limits;

constexpr std::uint32_t no_id = 0xFFFFFFFFU;

tl::unexpected<Error> bad(const char* call, std::string_view setting, std::string_view value,
                          std::string_view rule) {
  return fail(Code::invalid_argument, call,
              fmt::format("{} = {}: must be {}", setting, value, rule));
}

Result<void> check_endpoint(const char* setting, const Endpoint& endpoint) {
  if (endpoint.channel.empty() || endpoint.channel.size() > limits::channel_bytes) {
    return bad("Client::connect", fmt::format("{}.channel", setting),
               fmt::format("\"{}\"", endpoint.channel),
               "an Aeron channel such as aeron:ipc, at most 4095 bytes");
  }
  for (const char c : endpoint.channel) {
    if (c < 0x21 || c > 0x7E) {
      return bad("Client::connect", fmt::format("{}.channel", setting),
                 "text with spaces or control characters", "visible ASCII");
    }
  }
  if (endpoint.stream_id <= 0) {
    return bad("Client::connect", fmt::format("{}.stream_id", setting),
               std::to_string(endpoint.stream_id), "1 to 2147483647");
  }
  return {};
}

Result<void> positive(const char* call, const char* setting, std::int64_t value) {
  if (value > 0) return {};
  return bad(call, setting, std::to_string(value), "greater than 0");
}

// What a lease goes by, in driver mode and out of it: a setting that is wrong is not left for later.
Result<void> check_leases(const char* call, const ClientOptions& o) {
  const std::pair<const char*, std::int64_t> times[] = {
      {"keepalive_interval_ns", o.keepalive_interval_ns},
      {"attach_timeout_ns", o.attach_timeout_ns},
      {"attach_resend_ns", o.attach_resend_ns},
      {"backoff_first_ns", o.backoff_first_ns},
      {"backoff_largest_ns", o.backoff_largest_ns}};
  for (const auto& [setting, value] : times) {
    if (auto r = positive(call, setting, value); !r) return r;
  }
  if (o.keepalive_grace < 1)
    return bad(call, "keepalive_grace", std::to_string(o.keepalive_grace), "at least 1");
  if (o.attach_resend_ns > o.attach_timeout_ns) {
    return bad(call, "attach_resend_ns", std::to_string(o.attach_resend_ns),
               fmt::format("at most attach_timeout_ns, {}", o.attach_timeout_ns));
  }
  if (o.backoff_first_ns > o.backoff_largest_ns) {
    return bad(call, "backoff_first_ns", std::to_string(o.backoff_first_ns),
               fmt::format("at most backoff_largest_ns, {}", o.backoff_largest_ns));
  }
  return {};
}

Result<void> check_attach(const char* call, const AttachOptions& o) {
  if (o.publish_mode > PublishMode::existing_or_create) {
    return bad(call, "attach.publish_mode", std::to_string(static_cast<int>(o.publish_mode)),
               "by_role, require_existing or existing_or_create");
  }
  if (o.hugepages > Hugepages::required) {
    return bad(call, "attach.hugepages", std::to_string(static_cast<int>(o.hugepages)),
               "unspecified, standard or required");
  }
  if (o.expected_layout_version > 1) {
    return bad(call, "attach.expected_layout_version", std::to_string(o.expected_layout_version),
               "0 (any) or 1");
  }
  if (o.desired_node_id && (*o.desired_node_id == 0 || *o.desired_node_id == no_id)) {
    return bad(call, "attach.desired_node_id", std::to_string(*o.desired_node_id),
               "absent or 1 to 4294967294");
  }
  return {};
}

// CON-50: in driver mode the driver decides what the regions are and where they lie.
Result<void> check_driver_decides(const char* call, const ProducerOptions& o) {
  const ProducerOptions fresh;
  struct Setting {
    const char* name;
    bool untouched;
    std::string value;
  };
  const Setting settings[] = {
      {"pools", o.pools.empty(), fmt::format("{} pools", o.pools.size())},
      {"slots", o.slots == fresh.slots, std::to_string(o.slots)},
      {"base_dir", o.base_dir == fresh.base_dir, fmt::format("\"{}\"", o.base_dir)},
      {"namespace_name", o.namespace_name == fresh.namespace_name,
       fmt::format("\"{}\"", o.namespace_name)},
      {"file_mode", o.file_mode == fresh.file_mode, fmt::format("{:o}", o.file_mode)},
      {"prefault", o.prefault == fresh.prefault, fmt::format("{}", o.prefault)},
      {"lock_memory", o.lock_memory == fresh.lock_memory, fmt::format("{}", o.lock_memory)},
      {"remove_on_close", o.remove_on_close == fresh.remove_on_close,
       fmt::format("{}", o.remove_on_close)}};
  for (const Setting& setting : settings) {
    if (setting.untouched) continue;
    return bad(call, setting.name, setting.value,
               "left alone in driver mode, where the driver's configuration decides (a profile of "
               "its file); with Mode::direct it is the producer's");
  }
  return {};
}

Result<void> check_stream(const char* call, std::uint32_t stream, std::uint32_t id,
                          const char* id_name) {
  if (stream == 0 || stream == no_id)
    return bad(call, "stream", std::to_string(stream), "1 to 4294967294");
  if (id == no_id) return bad(call, id_name, std::to_string(id), "0 (random) or 1 to 4294967294");
  return {};
}

Result<void> check_wait(const char* call, const WaitOptions& o) {
  if (o.spin_ns < 0 || o.spin_ns > limits::wait_spin_ns)
    return bad(call, "wait.spin_ns", std::to_string(o.spin_ns),
               fmt::format("0 to {}", limits::wait_spin_ns));
  if (o.yields > limits::wait_yields)
    return bad(call, "wait.yields", std::to_string(o.yields),
               fmt::format("at most {}", limits::wait_yields));
  return {};
}

// STR-198: a channel, or something of a scheme.
Result<void> check_fallback(const char* call, const std::string& uri) {
  if (uri.empty()) return {};
  const std::size_t scheme = uri.find("://");
  const bool known = uri.starts_with("aeron:") ||
                     (scheme != std::string::npos && scheme > 0 && scheme + 3 < uri.size());
  const bool visible =
      std::all_of(uri.begin(), uri.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (known && visible && uri.size() <= limits::channel_bytes) return {};
  return bad(
      call, "payload_fallback_uri",
      visible ? fmt::format("\"{}\"", uri.substr(0, 80)) : "text with spaces or control characters",
      "empty, a channel (aeron:) or <scheme>://<id>, visible ASCII of at most 4095 bytes");
}

}  // namespace

Result<void> check(const ClientOptions& o) {
  constexpr const char* call = "Client::connect";
  if (o.mode != Mode::direct && o.mode != Mode::driver)
    return bad(call, "mode", std::to_string(static_cast<int>(o.mode)), "driver or direct");
  if (o.threading != Threading::threaded && o.threading != Threading::invoked)
    return bad(call, "threading", std::to_string(static_cast<int>(o.threading)),
               "threaded or invoked");
  if (o.idle > Idle::noop)
    return bad(call, "idle", std::to_string(static_cast<int>(o.idle)),
               "backoff, sleeping, yielding, busy_spin or noop");
  if (!o.aeron_dir.empty()) {
    if (auto usable = transport::aeron::usable_directory(call, o.aeron_dir); !usable)
      return fail(std::move(usable.error()));
  }
  if (o.client_name.size() > limits::client_name_bytes) {
    return bad(call, "client_name", fmt::format("{} bytes", o.client_name.size()),
               "at most 100 bytes");
  }
  const std::pair<const char*, const Endpoint*> endpoints[] = {{"control", &o.control},
                                                               {"announce", &o.announce},
                                                               {"descriptor", &o.descriptor},
                                                               {"qos", &o.qos},
                                                               {"metadata", &o.metadata}};
  for (const auto& [setting, endpoint] : endpoints) {
    if (auto r = check_endpoint(setting, *endpoint); !r) return r;
  }
  if (auto r = positive(call, "announce_period_ns", o.announce_period_ns); !r) return r;
  if (o.freshness_factor < 1)
    return bad(call, "freshness_factor", std::to_string(o.freshness_factor), "at least 1");
  if (o.announce_period_ns > INT64_MAX / std::max<std::int64_t>(o.freshness_factor, 5)) {
    return bad(call, "announce_period_ns", std::to_string(o.announce_period_ns),
               "short enough that its freshness and liveness multiples fit 64 bits");
  }
  if (auto r = positive(call, "media_driver_timeout_ns", o.media_driver_timeout_ns); !r) return r;
  if (o.liveness_factor < 3 || o.liveness_factor > 5) {
    return bad(call, "liveness_factor", std::to_string(o.liveness_factor), "3 to 5");
  }
  if (auto r = check_leases(call, o); !r) return r;
  if (o.allowed_base_dirs.empty()) {
    return bad(call, "allowed_base_dirs", "[]",
               "a list of existing absolute directories; without one nothing may be mapped");
  }
  if (o.forbidden_mode_bits > 0777) {
    return bad(call, "forbidden_mode_bits", fmt::format("{:o}", o.forbidden_mode_bits),
               "0 to 777 (octal)");
  }
  if (o.fragment_limit < 1 || o.fragment_limit > limits::inbox_entries) {
    return bad(call, "fragment_limit", std::to_string(o.fragment_limit),
               fmt::format("1 to {}", limits::inbox_entries));
  }
  if (!std::has_single_bit(o.command_queue_capacity) ||
      o.command_queue_capacity > limits::commands_max) {
    return bad(call, "command_queue_capacity", std::to_string(o.command_queue_capacity),
               fmt::format("a power of two, at most {}", limits::commands_max));
  }
  return {};
}

Result<void> check(const ProducerOptions& o, Mode mode) {
  constexpr const char* call = "Client::producer";
  if (auto r = check_stream(call, o.stream, o.producer_id, "producer_id"); !r) return r;
  if (auto r = check_attach(call, o.attach); !r) return r;
  if (auto r = positive(call, "qos_interval_ns", o.qos_interval_ns); !r) return r;
  if (o.max_claims < 1 || o.max_claims > limits::claims_per_producer) {
    return bad(call, "max_claims", std::to_string(o.max_claims), "1 to 64");
  }
  if (mode == Mode::driver) return check_driver_decides(call, o);
  if (!std::has_single_bit(o.slots) || o.slots > limits::header_slots_max) {
    return bad(call, "slots", std::to_string(o.slots),
               fmt::format("a power of two, at most {}", limits::header_slots_max));
  }
  if (o.pools.empty())
    return bad(call, "pools", "[]",
               "at least one pool, for example {.pool_id = 1, .stride_bytes = 1 << 20}");
  if (o.pools.size() > limits::pools_per_stream) {
    return bad(call, "pools", fmt::format("{} pools", o.pools.size()),
               fmt::format("at most {}", limits::pools_per_stream));
  }
  std::set<std::uint16_t> ids;
  for (const PoolOptions& pool : o.pools) {
    if (pool.pool_id == 0 || !ids.insert(pool.pool_id).second) {
      return bad(call, "pools[].pool_id", std::to_string(pool.pool_id), "1 to 65535 and unique");
    }
    if (pool.stride_bytes == 0 || pool.stride_bytes % 64 != 0) {
      return bad(call, "pools[].stride_bytes", std::to_string(pool.stride_bytes),
                 "a positive multiple of 64");
    }
  }
  if (o.base_dir.empty() || o.base_dir.front() != '/')
    return bad(call, "base_dir", fmt::format("\"{}\"", o.base_dir), "an absolute path");
  if (auto r = shm::check_namespace(o.namespace_name); !r) return r;
  return shm::check_file_mode(o.file_mode);
}

Result<void> check(const ConsumerOptions& o) {
  constexpr const char* call = "Client::consumer";
  if (auto r = check_stream(call, o.stream, o.consumer_id, "consumer_id"); !r) return r;
  if (auto r = check_attach(call, o.attach); !r) return r;
  if (auto r = positive(call, "hello_interval_ns", o.hello_interval_ns); !r) return r;
  if (auto r = positive(call, "qos_interval_ns", o.qos_interval_ns); !r) return r;
  if (auto r = check_wait(call, o.wait); !r) return r;
  if (o.mode != DeliveryMode::stream && o.mode != DeliveryMode::rate_limited) {
    return bad(call, "mode", std::to_string(static_cast<int>(o.mode)), "stream or rate_limited");
  }
  if (o.expected_layout_version > 1) {
    return bad(call, "expected_layout_version", std::to_string(o.expected_layout_version),
               "0 (any) or 1");
  }
  return check_fallback(call, o.payload_fallback_uri);
}

}  // namespace tensorpool::client
