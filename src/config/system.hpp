// The parts of a configuration that need the system: reading a file, the environment, and the checks of
// directories.
#pragma once

#include <string>

#include "base/file_system.hpp"
#include "config/load.hpp"

namespace tensorpool::config {

// The bytes of a file. Code::system_error when it cannot be read (CFG-102), limit_exceeded when it has
// more than limits::config_file_bytes.
Result<std::string> read_file(const std::string& path);

// A copy of this process' environment. Not while another thread changes it.
Environment process_environment();

// Whether this process may make files in a directory, by its effective ids.
using MayWrite = bool (*)(const std::string& directory);
bool may_write(const std::string& directory);

// What was found at base_dir.
struct Directories {
  bool hugetlbfs = false;
  std::uint64_t page_size_bytes = 0;
};

// CFG-36, CFG-38 to CFG-40, CFG-45: looks at base_dir and allowed_base_dirs and replaces them by their canonical
// paths, once; warns of another page size than expected. Makes nothing (CFG-95). Errors as load()'s.
Result<Directories> check_directories(LoadedConfig& loaded, base::FileSystem& file_system,
                                      MayWrite may_write_to = may_write);

}  // namespace tensorpool::config
