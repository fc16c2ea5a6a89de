// Region URIs: "shm:file?path=/dev/shm/…/header.ring|require_hugepages=true". Only the grammar of
// docs/protocol/01-shared-memory.md ("Region URI") is valid, to the letter.
#pragma once

#include <string>
#include <string_view>

#include "tensorpool/error.hpp"

namespace tensorpool::shm {

struct RegionUri {
  std::string path;  // absolute
  bool require_hugepages = false;

  friend bool operator==(const RegionUri&, const RegionUri&) = default;
};

// Code::invalid_uri names the rule that the text breaks (SHM-92 … SHM-104, SHM-106).
Result<RegionUri> parse_uri(std::string_view text);

// The inverse; without hugepages the parameter is left out (SHM-109). Code::invalid_uri for a path
// outside the grammar, Code::limit_exceeded for a URI of more than 4096 bytes (SHM-105).
Result<std::string> format_uri(const RegionUri& uri);

}  // namespace tensorpool::shm
