// The state of one load. Internal to config.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "config/document.hpp"
#include "config/keys.hpp"
#include "config/load.hpp"
#include "config/problems.hpp"

namespace tensorpool::config {

struct Loading {
  const Value& root;
  const std::string& file;
  const Environment& environment;
  const Overrides& overrides;
  LoadedConfig loaded = {};
  Problems problems = {};
  Problems warnings = {};
  // The tables of the document by section path.
  std::unordered_map<std::string, const Value*> tables = {};
  // Keys without a valid value, about which nothing more is said.
  std::set<std::string, std::less<>> faulty = {};

  bool good(const std::string& path) const { return !faulty.contains(path); }
  // "driver.toml:12: driver.control_stream_id = 0": place, key and value, for the start of a line. A key that has
  // its default is placed in the file.
  std::string place(const std::string& path, const std::string& value) const;
  std::string place_of_line(std::uint32_t line) const;
};

// checks.cpp: what holds between keys, once each has its value.
void check_together(Loading& loading);

}  // namespace tensorpool::config
