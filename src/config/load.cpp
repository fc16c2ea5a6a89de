#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "config/loader.hpp"
#include "config/value.hpp"

namespace tensorpool::config {
namespace {

namespace limits = base::limits;

// Root tables of the other applications of the chapter's section 1.
constexpr std::string_view other_applications[] = {"supervisor", "discovery", "discovery_registry",
                                                   "bridge",     "mappings",  "rate_limiter",
                                                   "recorder"};

// Edits from one name to the other, or more than `most`.
std::size_t edits(std::string_view from, std::string_view to, std::size_t most) {
  if (from.size() > to.size() + most || to.size() > from.size() + most) return most + 1;
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t i = 0; i <= to.size(); ++i) row[i] = i;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// CFG-6. Never shows the value: it may be a secret under a misspelt name.
void unknown_key(Loading& loading, const Member& member, const std::string& path,
                 const std::vector<std::string_view>& known) {
  constexpr std::size_t near = 2;
  std::string_view closest;
  std::size_t least = near + 1;
  for (const std::string_view name : known) {
    const std::size_t distance = edits(member.name, name, near);
    if (distance < least) {
      least = distance;
      closest = name;
    }
  }
  loading.warnings.add(
      fmt::format("{}: {}: unknown key, ignored{}", loading.place_of_line(member.line), shown(path),
                  closest.empty() ? std::string() : fmt::format("; did you mean {}?", closest)));
}

std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? key_text(name) : fmt::format("{}.{}", path, key_text(name));
}

bool expect(Loading& loading, const Member& member, const std::string& path, Value::Kind kind) {
  if (member.value.kind == kind) return true;
  loading.problems.add(fmt::format("{}: {} = {}: must be {}, it is {}",
                                   loading.place_of_line(member.line), shown(path),
                                   shown(member.value), words(kind), words(member.value.kind)));
  return false;
}

bool usable_name(Loading& loading, const Member& member, const std::string& path) {
  if (!member.name.empty() && member.name.size() <= limits::name_bytes &&
      member.name.find('\0') == std::string::npos) {
    return true;
  }
  loading.problems.add(fmt::format("{}: {}: a name must be 1 to {} bytes without NUL",
                                   loading.place_of_line(member.line), shown(path),
                                   limits::name_bytes));
  return false;
}

void read_pools(Loading& loading, const Value& table, const std::string& path,
                ProfileTable& profile, std::uint32_t line) {
  const std::string pools_path = path + ".payload_pools";
  const auto found =
      std::find_if(table.members.begin(), table.members.end(),
                   [](const Member& member) { return member.name == "payload_pools"; });
  const std::string rule = fmt::format("must have 1 to {} pools", limits::pools_per_stream);
  if (found == table.members.end()) {  // CFG-57
    loading.problems.add(
        fmt::format("{}: {}: required: {}", loading.place_of_line(line), shown(pools_path), rule));
    return;
  }
  if (!expect(loading, *found, pools_path, Value::Kind::array)) return;
  const auto& items = found->value.items;
  if (items.empty() || items.size() > limits::pools_per_stream) {
    loading.problems.add(fmt::format("{}: {}: {} entries: {}", loading.place_of_line(found->line),
                                     shown(pools_path), items.size(), rule));
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", pools_path, i);
    if (!expect(loading, {"", items[i], items[i].line, 0}, entry, Value::Kind::table)) continue;
    loading.tables[fmt::format("{}[{}]", pools_path, profile.payload_pools.size())] = &items[i];
    profile.payload_pools.emplace_back();
  }
}

// The tables below [profiles] and [streams]; `limit` of them at most.
template <class Table>
void read_named(Loading& loading, const Member& parent, std::size_t limit,
                std::vector<Table>& into) {
  if (!expect(loading, parent, parent.name, Value::Kind::table)) return;
  if (parent.value.members.size() > limit) {
    loading.problems.add(fmt::format("{}: {}: {} are defined, at most {}",
                                     loading.place_of_line(parent.line), parent.name,
                                     parent.value.members.size(), limit));
    return;
  }
  for (const Member& member : parent.value.members) {
    const std::string path = joined(parent.name, member.name);
    if (!usable_name(loading, member, path) || !expect(loading, member, path, Value::Kind::table)) {
      continue;
    }
    Table& table = into.emplace_back();
    table.name = member.name;
    loading.tables[path] = &member.value;
    loading.loaded.origins[path] = {Origin::Kind::file, loading.file, member.line};
    if constexpr (std::is_same_v<Table, ProfileTable>)
      read_pools(loading, member.value, path, table, member.line);
  }
}

// What the root has: the tables of the driver, those of others, and what nobody knows.
void read_root(Loading& loading) {
  std::vector<std::string_view> known = {"driver", "shm", "policies", "profiles", "streams"};
  DriverConfig& config = loading.loaded.config;
  for (const Member& member : loading.root.members) {
    if (member.name == "profiles") {
      read_named(loading, member, limits::config_profiles, config.profiles);
    } else if (member.name == "streams") {
      read_named(loading, member, limits::driver_streams, config.streams);
    } else if (std::find(known.begin(), known.end(), member.name) != known.end()) {
      if (expect(loading, member, member.name, Value::Kind::table))
        loading.tables[member.name] = &member.value;
    } else if (std::find(std::begin(other_applications), std::end(other_applications),
                         member.name) != std::end(other_applications)) {
      loading.loaded.other_tables.push_back(member.name);  // CFG-7
    } else {
      unknown_key(loading, member, key_text(member.name), known);
    }
  }
  const Value* const mappings = loading.root.find("mappings");
  if (mappings != nullptr && loading.root.find("bridge") != nullptr &&
      loading.root.find("rate_limiter") != nullptr) {  // CFG-8
    loading.problems.add(fmt::format(
        "{}: mappings: [bridge] and [rate_limiter] in one file do not say whose mappings "
        "these are; give each a file of its own",
        loading.place_of_line(mappings->line)));
  }
}

void report_unknown(Loading& loading, const Section& section, const Value& table) {
  std::vector<std::string_view> known;
  for (const Key& key : section.kind->keys) known.push_back(key.name);
  if (section.kind->path == "profiles.<name>") known.emplace_back("payload_pools");
  for (const Member& member : table.members) {
    if (std::find(known.begin(), known.end(), member.name) == known.end())
      unknown_key(loading, member, joined(section.path, member.name), known);
  }
}

struct Given {
  Origin origin;
  const Value* value = nullptr;       // from the file
  const std::string* text = nullptr;  // from elsewhere
};

// The strongest source that has the key (CFG-22), and no value when none has.
Given find_source(const Loading& loading, const Section& section, const Key& key,
                  const std::string& path) {
  for (auto one = loading.overrides.rbegin(); one != loading.overrides.rend(); ++one) {
    if (one->first == path) return {{Origin::Kind::override_value, path, 0}, nullptr, &one->second};
  }
  if (section.kind->variables) {
    const std::string regular = fmt::format("{}_{}", section.variable, variable_name(key.name));
    for (const std::string& name : {regular, std::string(key.alias)}) {
      const auto found = loading.environment.find(name);
      if (!name.empty() && found != loading.environment.end())
        return {{Origin::Kind::variable, name, 0}, nullptr, &found->second};
    }
  }
  const auto table = loading.tables.find(section.path);
  if (table == loading.tables.end()) return {};
  for (const Member& member : table->second->members) {
    if (member.name == key.name)
      return {{Origin::Kind::file, loading.file, member.line}, &member.value, nullptr};
  }
  return {};
}

void read_key(Loading& loading, const Section& section, const Key& key) {
  const std::string path = fmt::format("{}.{}", section.path, key.name);
  const Slot slot = key.slot(section.table);
  if (key.fallback == Fallback::standard) {
    if (auto broken = take_text(key, key.standard, slot)) {
      loading.problems.add(fmt::format("{} = {}: the default {}", path, key.standard, *broken));
    }
  }
  const Given given = find_source(loading, section, key, path);
  if (given.value == nullptr && given.text == nullptr) {
    if (key.fallback != Fallback::required) return;
    const auto table = loading.tables.find(section.path);
    loading.problems.add(
        fmt::format("{}: {}: required: must be {}",
                    loading.place_of_line(table == loading.tables.end() ? 0 : table->second->line),
                    shown(path), valid_words(key)));
    loading.faulty.insert(path);
    return;
  }
  loading.loaded.origins[path] = given.origin;
  const auto broken =
      given.value != nullptr ? take(key, *given.value, slot) : take_text(key, *given.text, slot);
  if (!broken) return;
  const std::string value = key.secret               ? "(hidden)"
                            : given.value != nullptr ? shown(*given.value)
                                                     : fmt::format("\"{}\"", shown(*given.text));
  loading.problems.add(fmt::format("{}: {}", loading.place(path, value), *broken));
  loading.faulty.insert(path);
}

// CFG-19: names that differ only in what a variable cannot tell apart.
void check_variables(Loading& loading, const std::vector<Section>& all) {
  std::map<std::string_view, std::vector<const Section*>> by_variable;
  for (const Section& section : all) {
    if (section.kind->variables) by_variable[section.variable].push_back(&section);
  }
  for (const auto& [variable, same] : by_variable) {
    if (same.size() < 2) continue;
    for (const Key& key : same.front()->kind->keys) {
      const std::string name = fmt::format("{}_{}", variable, variable_name(key.name));
      if (!loading.environment.contains(name)) continue;
      loading.problems.add(fmt::format(
          "environment variable {}: means both {}.{} and {}.{}; rename one or unset the variable",
          shown(name), shown(same[0]->path), key.name, shown(same[1]->path), key.name));
    }
  }
}

void check_overrides(Loading& loading, const std::vector<Section>& all) {
  for (const auto& [path, text] : loading.overrides) {
    const bool known =
        std::any_of(all.begin(), all.end(), [&, &wanted = path](const Section& section) {
          return section.kind->variables &&
                 std::any_of(section.kind->keys.begin(), section.kind->keys.end(),
                             [&](const Key& key) {
                               return wanted == fmt::format("{}.{}", section.path, key.name);
                             });
        });
    if (!known)
      loading.problems.add(fmt::format("override: {}: no key of this configuration", shown(path)));
  }
}

// Whether a key stands for its default: not given, or given as the value that means that.
bool wants_default(const Loading& loading, const std::string& path, const Key& key, Slot slot) {
  if (!loading.good(path)) return false;
  if (!loading.loaded.origins.contains(path)) return true;
  if (const auto* const* text = std::get_if<std::string*>(&slot))
    return !key.empty.empty() && (*text)->empty();
  if (const auto* const* number = std::get_if<std::uint32_t*>(&slot))
    return !key.zero.empty() && **number == 0;
  if (const auto* const* number = std::get_if<std::uint64_t*>(&slot))
    return !key.zero.empty() && **number == 0;
  return false;
}

void derive(Loading& loading, const std::vector<Section>& all) {
  for (const Section& section : all) {
    for (const Key& key : section.kind->keys) {
      if (key.derive == nullptr) continue;
      const std::string path = fmt::format("{}.{}", section.path, key.name);
      if (wants_default(loading, path, key, key.slot(section.table)))
        key.derive(loading.loaded.config);
    }
  }
}

}  // namespace

std::string Origin::words() const {
  switch (kind) {
    case Kind::file:
      return fmt::format("{}:{}", shown(name), line);
    case Kind::variable:
      return "environment variable " + shown(name);
    case Kind::override_value:
      return "override";
    case Kind::standard:
      break;
  }
  return "default";
}

std::string Loading::place_of_line(std::uint32_t line) const {
  return line == 0 ? shown(file) : fmt::format("{}:{}", shown(file), line);
}

std::string Loading::place(const std::string& path, const std::string& value) const {
  const auto origin = loaded.origins.find(path);
  const std::string where =
      origin == loaded.origins.end() ? shown(file) + " (default)" : origin->second.words();
  return value.empty() ? fmt::format("{}: {}", where, shown(path))
                       : fmt::format("{}: {} = {}", where, shown(path), value);
}

Result<LoadedConfig> load(std::string_view text, const std::string& file,
                          const Environment& environment, const Overrides& overrides) {
  const auto root = parse_toml(text, file);
  if (!root) return fail(root.error());
  Loading loading{*root, file, environment, overrides};
  read_root(loading);
  const std::vector<Section> all = sections(loading.loaded.config);
  for (const Section& section : all) {
    if (const auto table = loading.tables.find(section.path); table != loading.tables.end())
      report_unknown(loading, section, *table->second);
    for (const Key& key : section.kind->keys) read_key(loading, section, key);
  }
  check_variables(loading, all);
  check_overrides(loading, all);
  derive(loading, all);
  check_together(loading);
  if (!loading.problems.empty()) return fail(loading.problems.error("load_config"));
  loading.loaded.warnings = loading.warnings.take();
  return std::move(loading.loaded);
}

std::string_view trial_config() noexcept {
  return R"([driver]
stream_id_range = "10000-19999"

[policies]
allow_dynamic_streams = true
default_profile = "default"
cleanup_shm_on_exit = true

# 290 MiB for each stream and epoch
[profiles.default]
header_nslots = 32
payload_pools = [
  { pool_id = 1, stride_bytes = 65536 },
  { pool_id = 2, stride_bytes = 1048576 },
  { pool_id = 3, stride_bytes = 8388608 },
]
)";
}

}  // namespace tensorpool::config
