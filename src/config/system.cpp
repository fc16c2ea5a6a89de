#include "config/system.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/limits.hpp"
#include "config/problems.hpp"
#include "config/value.hpp"
#include "shm/path.hpp"
#include "shm/uri.hpp"

extern char** environ;  // NOLINT(readability-identifier-naming): POSIX names it

namespace tensorpool::config {
namespace {

constexpr const char* reading = "read_config_file";

// Closes on all ways out.
struct Descriptor {
  explicit Descriptor(const std::string& path) : id(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (id >= 0) ::close(id);
  }
  int id;
};

// `value` as TOML.
std::string place(const LoadedConfig& loaded, const std::string& path, const std::string& value) {
  const auto origin = loaded.origins.find(path);
  return fmt::format("{}: {} = {}",
                     origin == loaded.origins.end() ? "default" : origin->second.words(), path,
                     value);
}
std::string place_of_path(const LoadedConfig& loaded, const std::string& path,
                          const std::string& value) {
  return place(loaded, path, fmt::format("\"{}\"", shown(value)));
}

// The canonical path of an existing directory; what is wrong goes to `problems`.
std::optional<std::string> existing(base::FileSystem& file_system, const std::string& where,
                                    const std::string& path, Problems& problems) {
  auto canonical = file_system.canonical(path);
  if (canonical) {
    if (auto opened = shm::open_directory(file_system, *canonical)) return *canonical;
    problems.add(fmt::format("{}: must be an existing directory", where));
  } else {
    problems.add(
        fmt::format("{}: must be an existing directory: {}", where, canonical.error().message()));
  }
  return std::nullopt;
}

Result<base::FileSystemInfo> info_of(base::FileSystem& file_system, const std::string& directory) {
  auto opened = shm::open_directory(file_system, directory);
  if (!opened) return fail(opened.error());
  return file_system.file_system_info(*opened);
}

void check_pages(LoadedConfig& loaded, const base::FileSystemInfo& info, const std::string& where,
                 Problems& problems) {
  const ShmTable& shm = loaded.config.shm;
  const bool hugetlbfs = info.type == base::hugetlbfs_type;
  if (shm.require_hugepages && (!hugetlbfs || info.block_bytes == 0)) {  // CFG-45
    problems.add(fmt::format("{}: must lie on a hugetlbfs mount for {}", where,
                             place(loaded, "shm.require_hugepages", "true")));
  }
  if (info.block_bytes != 0 && info.block_bytes != shm.page_size_bytes) {
    loaded.warnings.push_back(
        fmt::format("{}: {} has pages of {} bytes, which are used",
                    place(loaded, "shm.page_size_bytes", fmt::format("{}", shm.page_size_bytes)),
                    shown(shm.base_dir), info.block_bytes));
  }
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  const Descriptor file(path);
  if (file.id < 0) return fail(Error::system(reading, errno, "open " + shown(path)));
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const ::ssize_t got = ::read(file.id, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Error::system(reading, errno, "read " + shown(path)));
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > base::limits::config_file_bytes) {
      return fail(
          Code::limit_exceeded, reading,
          fmt::format("{}: more than {} bytes", shown(path), base::limits::config_file_bytes));
    }
  }
}

Environment process_environment() {
  Environment copy;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string_view entry = *one;
    const std::size_t cut = entry.find('=');
    // Of two entries with one name the first counts, as for getenv().
    if (cut != std::string_view::npos) copy.emplace(entry.substr(0, cut), entry.substr(cut + 1));
  }
  return copy;
}

bool may_write(const std::string& directory) {
  return ::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

Result<Directories> check_directories(LoadedConfig& loaded, base::FileSystem& file_system,
                                      MayWrite may_write_to) {
  ShmTable& shm = loaded.config.shm;
  Problems problems;
  const std::string base_place = place_of_path(loaded, "shm.base_dir", shm.base_dir);
  const auto base = existing(file_system, base_place, shm.base_dir, problems);
  std::vector<std::string> allowed;
  for (const std::string& directory : shm.allowed_base_dirs) {
    if (directory == shm.base_dir) {  // has been reported where it does not exist
      if (base) allowed.push_back(*base);
      continue;
    }
    const std::string where = place_of_path(loaded, "shm.allowed_base_dirs", directory);
    if (auto canonical = existing(file_system, where, directory, problems))
      allowed.push_back(std::move(*canonical));
  }
  Directories found;
  if (base) {
    // Regions are announced by their path, and a URI cannot carry every path.
    if (!shm::format_uri({*base, false})) {
      problems.add(base_place +
                   ": must have no spaces, no ? and |, and only printable ASCII characters");
    }
    if (!may_write_to(*base)) problems.add(base_place + ": must be writable by this process");
    const bool inside = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& one) {
      return shm::path_inside(one, *base);
    });
    if (!inside && allowed.size() == shm.allowed_base_dirs.size()) {
      problems.add(fmt::format("{}: must be, or lie in, a directory of shm.allowed_base_dirs ({})",
                               base_place, shown(fmt::format("{}", fmt::join(allowed, ", ")))));
    }
    if (auto info = info_of(file_system, *base)) {
      found.hugetlbfs = info->type == base::hugetlbfs_type;
      found.page_size_bytes = info->block_bytes;
      check_pages(loaded, *info, base_place, problems);
    } else {
      problems.add(fmt::format("{}: {}", base_place, info.error().message()));
    }
  }
  if (!problems.empty()) return fail(problems.error("check_directories"));
  shm.base_dir = *base;
  shm.allowed_base_dirs = std::move(allowed);
  return found;
}

}  // namespace tensorpool::config
