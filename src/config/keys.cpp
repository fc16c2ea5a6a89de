#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/limits.hpp"

namespace tensorpool::config {
namespace {

namespace limits = base::limits;

template <class Table, class Member>
Table table_of(Member Table::*);

// The slot of a member, of a table whose type the key's own table kind fixes.
template <auto Member>
Slot in(void* table) {
  using Table = decltype(table_of(Member));
  return &(static_cast<Table*>(table)->*Member);
}

void announce_channel(DriverConfig& config) {
  config.driver.announce_channel = config.driver.control_channel;
}
void announce_stream_id(DriverConfig& config) {
  config.driver.announce_stream_id = config.driver.control_stream_id;
}
void allowed_base_dirs(DriverConfig& config) {
  config.shm.allowed_base_dirs = {config.shm.base_dir};
}
void default_profile(DriverConfig& config) {
  if (!config.profiles.empty()) config.policies.default_profile = config.profiles.front().name;
}
void epoch_gc_min_age(DriverConfig& config) {  // CFG-52
  config.policies.epoch_gc_min_age_ns =
      std::uint64_t{config.policies.announce_period_ms} * 3'000'000;
}

constexpr std::string_view ipc = "aeron:ipc?term-length=4m";

constexpr Key driver_keys[] = {
    {.name = "instance_id",
     .standard = "driver-01",
     .lowest = 1,
     .highest = 128,
     .meaning = "name for logs, diagnostics and discovery",
     .slot = in<&DriverTable::instance_id>},
    {.name = "aeron_dir",
     .highest = limits::path_bytes,
     .rule = Rule::absolute_path,
     .empty = "Aeron's default",
     .alias = "AERON_DIR",
     .meaning = "directory of the Aeron media driver",
     .slot = in<&DriverTable::aeron_dir>},
    {.name = "embedded_media_driver",
     .standard = "auto",
     .rule = Rule::choice,
     .choices = "auto|always|never",
     .meaning = "`auto` starts a media driver inside the process when none is alive in `aeron_dir`",
     .slot = in<&DriverTable::embedded_media_driver>},
    {.name = "control_channel",
     .type = Type::channel,
     .standard = ipc,
     .alias = "TP_CONTROL_CHANNEL",
     .meaning = "control endpoint: attach, leases, hellos",
     .slot = in<&DriverTable::control_channel>},
    {.name = "control_stream_id",
     .type = Type::aeron_stream_id,
     .standard = "1000",
     .alias = "TP_CONTROL_STREAM_ID",
     .meaning = "control endpoint",
     .slot = in<&DriverTable::control_stream_id>},
    {.name = "announce_channel",
     .type = Type::channel,
     .fallback = Fallback::derived,
     .standard = "value of `driver.control_channel`",
     .derive = announce_channel,
     .empty = "the default",
     .meaning = "where `ShmPoolAnnounce` is sent",
     .slot = in<&DriverTable::announce_channel>},
    {.name = "announce_stream_id",
     .type = Type::aeron_stream_id,
     .fallback = Fallback::derived,
     .standard = "value of `driver.control_stream_id`",
     .derive = announce_stream_id,
     .zero = "the default",
     .meaning = "where `ShmPoolAnnounce` is sent",
     .slot = in<&DriverTable::announce_stream_id>},
    {.name = "qos_channel",
     .type = Type::channel,
     .standard = ipc,
     .meaning = "QoS endpoint of the deployment",
     .slot = in<&DriverTable::qos_channel>},
    {.name = "qos_stream_id",
     .type = Type::aeron_stream_id,
     .standard = "1200",
     .meaning = "QoS endpoint of the deployment",
     .slot = in<&DriverTable::qos_stream_id>},
    {.name = "stream_id_range",
     .type = Type::pool_ranges,
     .empty = "off",
     .meaning = "ids for streams created on demand",
     .slot = in<&DriverTable::stream_id_range>},
    {.name = "descriptor_stream_id_range",
     .type = Type::aeron_ranges,
     .empty = "off",
     .meaning = "ids for per-consumer descriptor streams",
     .slot = in<&DriverTable::descriptor_stream_id_range>},
    {.name = "control_stream_id_range",
     .type = Type::aeron_ranges,
     .empty = "off",
     .meaning = "ids for per-consumer control streams",
     .slot = in<&DriverTable::control_stream_id_range>},
};

constexpr Key shm_keys[] = {
    {.name = "base_dir",
     .standard = "/dev/shm",
     .lowest = 1,
     .highest = limits::path_bytes,
     .rule = Rule::absolute_path,
     .meaning = "root directory of region files: exists, writable, inside an entry of "
                "`allowed_base_dirs`",
     .slot = in<&ShmTable::base_dir>},
    {.name = "namespace",
     .standard = "default",
     .lowest = 1,
     .highest = limits::namespace_bytes,
     .rule = Rule::namespace_name,
     .meaning = "directory level below the per-user directory",
     .slot = in<&ShmTable::namespace_>},
    {.name = "require_hugepages",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "policy for attach requests that leave hugepages open; `base_dir` then lies on "
                "hugetlbfs",
     .slot = in<&ShmTable::require_hugepages>},
    {.name = "page_size_bytes",
     .type = Type::u32,
     .standard = "4096",
     .rule = Rule::power_of_two,
     .unit = "bytes",
     .meaning = "expected page size of the backing file system; another one found is a warning",
     .slot = in<&ShmTable::page_size_bytes>},
    {.name = "permissions_mode",
     .type = Type::mode,
     .standard = "660",
     .rule = Rule::file_mode,
     .meaning = "access mode of region files; directories get execute for every class with any "
                "permission",
     .slot = in<&ShmTable::permissions_mode>},
    {.name = "allowed_base_dirs",
     .type = Type::strings,
     .fallback = Fallback::derived,
     .standard = "`shm.base_dir` alone",
     .derive = allowed_base_dirs,
     .lowest = 1,
     .highest = limits::config_base_dirs,
     .rule = Rule::absolute_path,
     .meaning = "directories that may contain regions; each exists",
     .slot = in<&ShmTable::allowed_base_dirs>},
};

constexpr Key policies_keys[] = {
    {.name = "allow_dynamic_streams",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "create unknown streams on request; needs `driver.stream_id_range`",
     .slot = in<&PoliciesTable::allow_dynamic_streams>},
    {.name = "default_profile",
     .fallback = Fallback::derived,
     .standard = "first profile in the file",
     .derive = default_profile,
     .lowest = 1,
     .highest = limits::name_bytes,
     .meaning = "profile of streams created on demand; a defined one",
     .slot = in<&PoliciesTable::default_profile>},
    {.name = "announce_period_ms",
     .type = Type::u32,
     .standard = "1000",
     .lowest = 1,
     .unit = "ms",
     .meaning = "`ShmPoolAnnounce` cadence; base of freshness and liveness times",
     .slot = in<&PoliciesTable::announce_period_ms>},
    {.name = "announce_clock_domain",
     .standard = "monotonic",
     .rule = Rule::choice,
     .choices = "monotonic|realtime_synced",
     .meaning = "clock of `announceTimestampNs`",
     .slot = in<&PoliciesTable::announce_clock_domain>},
    {.name = "lease_keepalive_interval_ms",
     .type = Type::u32,
     .standard = "1000",
     .lowest = 1,
     .unit = "ms",
     .meaning = "keepalive interval expected of clients, which must be set to the same",
     .slot = in<&PoliciesTable::lease_keepalive_interval_ms>},
    {.name = "lease_expiry_grace_intervals",
     .type = Type::u32,
     .standard = "3",
     .lowest = 1,
     .unit = "intervals",
     .meaning = "missed keepalives before expiry",
     .slot = in<&PoliciesTable::lease_expiry_grace_intervals>},
    {.name = "max_leases",
     .type = Type::u32,
     .standard = "4096",
     .lowest = 1,
     .highest = limits::driver_leases_max,
     .meaning = "active leases of the driver",
     .slot = in<&PoliciesTable::max_leases>},
    {.name = "node_id_reuse_cooldown_ms",
     .type = Type::u32,
     .standard = "1000",
     .unit = "ms",
     .zero = "none",
     .meaning = "time before a node id is reused",
     .slot = in<&PoliciesTable::node_id_reuse_cooldown_ms>},
    {.name = "prefault_shm",
     .type = Type::boolean,
     .standard = "true",
     .meaning = "touch every page of new regions",
     .slot = in<&PoliciesTable::prefault_shm>},
    {.name = "reuse_existing_shm",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "no effect, and a warning: every epoch gets files of its own",
     .slot = in<&PoliciesTable::reuse_existing_shm>},
    {.name = "mlock_shm",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "lock regions in memory; failure is fatal",
     .slot = in<&PoliciesTable::mlock_shm>},
    {.name = "cleanup_shm_on_exit",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "remove the driver's region files on shutdown",
     .slot = in<&PoliciesTable::cleanup_shm_on_exit>},
    {.name = "epoch_gc_enabled",
     .type = Type::boolean,
     .standard = "true",
     .meaning = "remove old epoch directories",
     .slot = in<&PoliciesTable::epoch_gc_enabled>},
    {.name = "epoch_gc_keep",
     .type = Type::u32,
     .standard = "2",
     .unit = "directories",
     .zero = "GC off",
     .meaning = "epoch directories kept per stream, current one included",
     .slot = in<&PoliciesTable::epoch_gc_keep>},
    {.name = "epoch_gc_min_age_ns",
     .type = Type::u64,
     .fallback = Fallback::derived,
     .standard = "3 × `policies.announce_period_ms`, in ns",
     .derive = epoch_gc_min_age,
     .unit = "ns",
     .zero = "the default",
     .meaning = "minimum age before removal",
     .slot = in<&PoliciesTable::epoch_gc_min_age_ns>},
    {.name = "epoch_gc_on_startup",
     .type = Type::boolean,
     .standard = "false",
     .meaning = "run GC at start",
     .slot = in<&PoliciesTable::epoch_gc_on_startup>},
    {.name = "shutdown_timeout_ms",
     .type = Type::u32,
     .standard = "2000",
     .unit = "ms",
     .zero = "at once",
     .meaning = "draining time",
     .slot = in<&PoliciesTable::shutdown_timeout_ms>},
    {.name = "shutdown_token",
     .highest = 1024,
     .empty = "disabled",
     .secret = true,
     .meaning = "token of `ShmDriverShutdownRequest`; never shown",
     .slot = in<&PoliciesTable::shutdown_token>},
};

constexpr Key profile_keys[] = {
    {.name = "header_nslots",
     .type = Type::u32,
     .standard = "1024",
     .highest = limits::header_slots_max,
     .rule = Rule::power_of_two,
     .unit = "slots",
     .meaning = "slots of the header ring and of every pool",
     .slot = in<&ProfileTable::header_nslots>},
    {.name = "header_slot_bytes",
     .type = Type::u16,
     .standard = "256",
     .lowest = 256,
     .highest = 256,
     .unit = "bytes",
     .meaning = "only 256 is valid",
     .slot = in<&ProfileTable::header_slot_bytes>},
};

constexpr Key pool_keys[] = {
    {.name = "pool_id",
     .type = Type::u16,
     .fallback = Fallback::required,
     .lowest = 1,
     .meaning = "pool id, unique within the profile",
     .slot = in<&PoolTable::pool_id>},
    {.name = "stride_bytes",
     .type = Type::u32,
     .fallback = Fallback::required,
     .rule = Rule::multiple_of_64,
     .unit = "bytes",
     .meaning = "bytes per payload slot; no power of two is a warning",
     .slot = in<&PoolTable::stride_bytes>},
};

constexpr Key stream_keys[] = {
    {.name = "stream_id",
     .type = Type::pool_stream_id,
     .fallback = Fallback::required,
     .meaning = "id of the stream, unique",
     .slot = in<&StreamTable::stream_id>},
    {.name = "profile",
     .fallback = Fallback::required,
     .lowest = 1,
     .highest = limits::name_bytes,
     .meaning = "name of its profile; a defined one",
     .slot = in<&StreamTable::profile>},
};

constexpr TableKind kinds[] = {
    {"[driver]", "driver", driver_keys, true,
     "The ranges overlap neither each other nor any stream id of this page."},
    {"[shm]", "shm", shm_keys, true, "Where regions lie, and who may open them."},
    {"[policies]", "policies", policies_keys, true,
     "Without `allow_dynamic_streams` and a range for it, at least one stream is defined."},
    {"[profiles.<name>]", "profiles.<name>", profile_keys, true,
     "The sizing of a stream; at least one profile is defined. `payload_pools`, required, is its "
     "list "
     "of pools."},
    {"[[profiles.<name>.payload_pools]]", "profiles.<name>.payload_pools[]", pool_keys, false,
     "One to 16 pools; an array of inline tables is the same."},
    {"[streams.<name>]", "streams.<name>", stream_keys, true,
     "Streams that are there from the start."},
};
static_assert(limits::pools_per_stream == 16);  // of the text above

bool is_bare(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '_' || character == '-';
}

Bounds type_bounds(Type type) noexcept {
  switch (type) {
    case Type::u16:
      return {0, 65535};
    case Type::u32:
      return {0, 4294967295};
    case Type::u64:
      return {0, 9223372036854775807};
    case Type::aeron_stream_id:
    case Type::aeron_ranges:
      return {1, 2147483647};
    case Type::pool_stream_id:
    case Type::pool_ranges:
      return {1, 4294967294};
    case Type::channel:
      return {1, limits::config_channel_bytes};
    case Type::mode:
      return {0, 0777};
    case Type::strings:
      return {0, limits::config_base_dirs};
    default:
      return {0, limits::config_string_bytes};
  }
}

std::string rule_words(const Key& key) {
  switch (key.rule) {
    case Rule::power_of_two:
      return "a power of two";
    case Rule::multiple_of_64:
      return "a multiple of 64";
    case Rule::absolute_path:
      return key.type == Type::strings ? "absolute paths" : "an absolute path";
    case Rule::namespace_name:
      return "ASCII letters, digits, _ and -";
    case Rule::file_mode:
      return "octal digits in quotes, at most 770, with read and write for the owner and nothing "
             "for "
             "others";
    case Rule::choice: {
      std::string words(key.choices);
      for (std::size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2)
        words.replace(at, 1, ", ");
      return words;
    }
    default:
      return {};
  }
}

bool is_number(Type type) noexcept {
  return type == Type::u16 || type == Type::u32 || type == Type::u64 ||
         type == Type::aeron_stream_id || type == Type::pool_stream_id;
}

// What the bounds say, where they say more than the type does.
std::string bound_words(const Key& key) {
  const auto [lowest, highest] = bounds(key);
  if (is_number(key.type))
    return lowest == highest ? fmt::format("{}", lowest) : fmt::format("{} to {}", lowest, highest);
  if (key.type == Type::channel)
    return fmt::format("starts with aeron:, at most {} bytes", highest);
  if (key.type == Type::strings) return fmt::format("{} to {} entries", lowest, highest);
  if (key.type == Type::aeron_ranges || key.type == Type::pool_ranges)
    return fmt::format("ids {} to {}", lowest, highest);
  if (key.type != Type::string || key.rule == Rule::choice) return {};
  return lowest == 0 ? fmt::format("at most {} bytes", highest)
                     : fmt::format("{} to {} bytes", lowest, highest);
}

}  // namespace

std::span<const TableKind> table_kinds() { return kinds; }

std::vector<Section> sections(DriverConfig& config) {
  std::vector<Section> all = {{&kinds[0], "driver", "DRIVER", &config.driver},
                              {&kinds[1], "shm", "SHM", &config.shm},
                              {&kinds[2], "policies", "POLICIES", &config.policies}};
  for (ProfileTable& profile : config.profiles) {
    const std::string path = "profiles." + key_text(profile.name);
    all.push_back({&kinds[3], path, "PROFILES_" + variable_name(profile.name), &profile});
    for (std::size_t i = 0; i < profile.payload_pools.size(); ++i) {
      all.push_back(
          {&kinds[4], fmt::format("{}.payload_pools[{}]", path, i), "", &profile.payload_pools[i]});
    }
  }
  for (StreamTable& stream : config.streams) {
    all.push_back({&kinds[5], "streams." + key_text(stream.name),
                   "STREAMS_" + variable_name(stream.name), &stream});
  }
  return all;
}

Bounds bounds(const Key& key) {
  Bounds both = type_bounds(key.type);
  if (key.lowest != no_bound) both.lowest = std::max(both.lowest, key.lowest);
  if (key.highest != no_bound) both.highest = std::min(both.highest, key.highest);
  if (key.rule == Rule::multiple_of_64) {
    both.lowest = std::max<std::uint64_t>(both.lowest, 64);
    both.highest -= both.highest % 64;
  } else if (key.rule == Rule::power_of_two) {
    both.lowest = std::max<std::uint64_t>(both.lowest, 1);
    both.highest = std::uint64_t{1} << (63 - __builtin_clzll(both.highest));
  }
  return both;
}

std::string valid_words(const Key& key) {
  std::string words = rule_words(key);
  const auto append = [&](const std::string& part) {
    if (!words.empty() && !part.empty()) words += ", ";
    words += part;
  };
  append(bound_words(key));
  if (!key.zero.empty()) append(fmt::format("0 = {}", key.zero));
  if (!key.empty.empty()) append(fmt::format("empty = {}", key.empty));
  return words.empty() ? "any" : words;
}

std::string type_words(const Key& key) {
  const auto name = [&]() -> std::string_view {
    switch (key.type) {
      case Type::string:
        return "string";
      case Type::channel:
        return "channel";
      case Type::boolean:
        return "bool";
      case Type::u16:
        return "u16";
      case Type::u32:
        return "u32";
      case Type::u64:
        return "u64";
      case Type::aeron_stream_id:
        return "Aeron stream id";
      case Type::pool_stream_id:
        return "pool stream id";
      case Type::mode:
        return "mode string";
      case Type::strings:
        return "array of string";
      case Type::aeron_ranges:
        return "range (Aeron stream ids)";
      case Type::pool_ranges:
        return "range (pool stream ids)";
    }
    return "unknown";
  }();
  return key.unit.empty() ? std::string(name) : fmt::format("{}, {}", name, key.unit);
}

std::string variable_name(std::string_view text) {
  std::string name;
  for (const char character : text) {
    if (character >= 'a' && character <= 'z') {
      name += static_cast<char>(character - 'a' + 'A');
    } else if (is_bare(character) && character != '-') {
      name += character;
    } else if ((static_cast<unsigned char>(character) & 0xC0U) != 0x80U) {
      name += '_';  // once for each character, however many bytes it has
    }
  }
  return name;
}

std::string key_text(std::string_view name) {
  const bool bare = !name.empty() && std::all_of(name.begin(), name.end(), is_bare);
  return bare ? std::string(name) : quoted(name);
}

std::string quoted(std::string_view text) {
  std::string toml = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      toml += '\\';
      toml += character;
    } else if (byte < 0x20 || byte == 0x7F) {
      toml += fmt::format("\\u{:04X}", byte);
    } else {
      toml += character;
    }
  }
  return toml + '"';
}

std::size_t utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  while (at < text.size()) {
    const unsigned char first = byte(at);
    const std::size_t more = first < 0x80                    ? 0
                             : first >= 0xC2 && first < 0xE0 ? 1
                             : first >= 0xE0 && first < 0xF0 ? 2
                             : first >= 0xF0 && first < 0xF5 ? 3
                                                             : text.size();
    if (more >= text.size() - at) return at;
    for (std::size_t i = 1; i <= more; ++i) {
      if ((byte(at + i) & 0xC0U) != 0x80U) return at;
    }
    // Too long a form, a surrogate, or above U+10FFFF.
    if ((first == 0xE0 && byte(at + 1) < 0xA0) || (first == 0xED && byte(at + 1) > 0x9F) ||
        (first == 0xF0 && byte(at + 1) < 0x90) || (first == 0xF4 && byte(at + 1) > 0x8F)) {
      return at;
    }
    at += more + 1;
  }
  return at;
}

}  // namespace tensorpool::config
