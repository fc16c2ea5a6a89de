#include <fmt/format.h>

#include <iterator>

#include "config/keys.hpp"
#include "config/load.hpp"
#include "config/value.hpp"

namespace tensorpool::config {
namespace {

std::string origin_of(const LoadedConfig& loaded, const std::string& path) {
  const auto found = loaded.origins.find(path);
  return found == loaded.origins.end() ? "default" : found->second.words();
}

void print_key(const LoadedConfig& loaded, const Section& section, const Key& key, Secrets secrets,
               std::string& text) {
  const Slot slot = key.slot(section.table);
  const std::string origin = origin_of(loaded, fmt::format("{}.{}", section.path, key.name));
  const std::string value = as_toml(key, slot);
  if (key.secret && secrets == Secrets::hidden && value != "\"\"") {
    // No stand-in that would itself be taken as the secret.
    fmt::format_to(std::back_inserter(text), "# {} is set and hidden  # {}\n", key.name, origin);
  } else {
    fmt::format_to(std::back_inserter(text), "{} = {}  # {}\n", key.name, value, origin);
  }
}

}  // namespace

std::string print(const LoadedConfig& loaded, Secrets secrets) {
  DriverConfig config = loaded.config;  // sections() points into what it may change
  std::string text;
  for (const Section& section : sections(config)) {
    const bool list = section.kind->header.starts_with("[[");
    const std::string path = list ? section.path.substr(0, section.path.rfind('[')) : section.path;
    fmt::format_to(std::back_inserter(text), "{}{}\n", text.empty() ? "" : "\n",
                   list ? fmt::format("[[{}]]", path) : fmt::format("[{}]", path));
    for (const Key& key : section.kind->keys) print_key(loaded, section, key, secrets, text);
  }
  return text;
}

}  // namespace tensorpool::config
