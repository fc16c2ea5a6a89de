// Walking paths without ever following a link, and comparing them by components. Internal to shm.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.hpp"

namespace tensorpool::shm {

// "/a//b/./c" → {"a", "b", "c"}; ".." is kept.
std::vector<std::string> path_components(std::string_view path);

// Whether the canonical `path` is `base` or lies inside it: "/a/b" does not contain "/a/bc"
// (SHM-117).
bool path_inside(std::string_view base, std::string_view path) noexcept;

// The directory that holds the last component of a path, reached without following a link anywhere,
// and that component.
struct OpenedParent {
  base::File directory;
  std::string leaf;
};

// Opens all directories of an absolute path one by one. ".." goes back to the directory that the
// walk itself came from. Code::path_rejected for a link in any component but the last (which the
// caller opens without following it), for a path without a last component, and for one that is
// deeper than the limit.
Result<OpenedParent> open_parent(base::FileSystem& file_system, std::string_view path);

// Opens a directory given by its absolute path, no link in any component.
Result<base::File> open_directory(base::FileSystem& file_system, std::string_view path);

// Opens the directory `name` in `parent`, making it first with `mode` where it is missing; `made` is
// set as soon as it was. Code::path_rejected when another user but root owns it: in a directory that
// anybody may write to, somebody else could have made it first, and would own everything below.
Result<base::File> open_own_directory(base::FileSystem& file_system, const base::File& parent,
                                      const std::string& name, std::uint32_t mode, bool& made);

// <user> of the canonical layout, sanitised, for this process (SHM-81, SHM-82).
std::string user_directory_name(base::FileSystem& file_system);

}  // namespace tensorpool::shm
