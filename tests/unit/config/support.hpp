// What the tests of the configuration share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "config/keys.hpp"
#include "config/load.hpp"
#include "config/value.hpp"

namespace tensorpool::config {

// The smallest file: one profile, one stream.
inline const std::string smallest = R"([profiles.p]
payload_pools = [ { pool_id = 1, stride_bytes = 4096 } ]
[streams.s]
stream_id = 10000
profile = "p"
)";

// "" when it loads.
inline std::string error_of(const std::string& text, const Environment& environment = {},
                            const Overrides& overrides = {}) {
  const auto loaded = load(text, "t.toml", environment, overrides);
  return loaded ? "" : loaded.error().message();
}

inline LoadedConfig loaded_of(const std::string& text, const Environment& environment = {},
                              const Overrides& overrides = {}) {
  auto loaded = load(text, "t.toml", environment, overrides);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message();
  return loaded ? *loaded : LoadedConfig{};
}

// The effective value of a key, as TOML; "" when there is no such key.
inline std::string value_of(const LoadedConfig& loaded, const std::string& path) {
  DriverConfig config = loaded.config;
  for (const Section& section : sections(config)) {
    for (const Key& key : section.kind->keys) {
      if (section.path + "." + std::string(key.name) == path)
        return as_toml(key, key.slot(section.table));
    }
  }
  return "";
}

}  // namespace tensorpool::config
