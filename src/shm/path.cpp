#include "shm/path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/limits.hpp"
#include "shm/create.hpp"

namespace tensorpool::shm {
namespace {

tl::unexpected<Error> rejected(std::string_view path, std::string_view why) {
  return fail(Code::path_rejected, "open", fmt::format("'{}': {}", path, why));
}

// Goes down (or, with "..", back up) the given components from "/".
Result<base::File> walk(base::FileSystem& file_system, std::span<const std::string> components,
                        std::string_view path) {
  auto root = file_system.open_root();
  if (!root) return root;
  std::vector<base::File> above;  // only kept where a ".." will need them
  const bool goes_back = std::find(components.begin(), components.end(), "..") != components.end();
  base::File here = std::move(*root);
  for (const std::string& name : components) {
    if (name == "..") {
      // ".." in "/" is "/".
      if (above.empty()) continue;
      here = std::move(above.back());
      above.pop_back();
      continue;
    }
    auto next = file_system.open(here, name, base::OpenMode::directory);
    if (!next) {
      if (next.error().code() == Code::path_rejected) {
        return rejected(path,
                        fmt::format("component '{}' is a symbolic link or no directory", name));
      }
      return next;
    }
    if (goes_back) above.push_back(std::move(here));
    here = std::move(*next);
  }
  return here;
}

Result<std::vector<std::string>> checked_components(std::string_view path) {
  if (path.empty() || path.front() != '/') return rejected(path, "the path is not absolute");
  std::vector<std::string> components = path_components(path);
  if (components.size() > base::limits::path_components) {
    return rejected(
        path, fmt::format("the path has more than {} components", base::limits::path_components));
  }
  return components;
}

}  // namespace

std::vector<std::string> path_components(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") components.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return components;
}

bool path_inside(std::string_view base, std::string_view path) noexcept {
  if (base == "/") return path.starts_with('/');
  return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}

Result<OpenedParent> open_parent(base::FileSystem& file_system, std::string_view path) {
  auto components = checked_components(path);
  if (!components) return fail(components.error());
  if (components->empty() || components->back() == "..")
    return rejected(path, "the path names no file");
  OpenedParent parent;
  parent.leaf = std::move(components->back());
  components->pop_back();
  auto directory = walk(file_system, *components, path);
  if (!directory) return fail(directory.error());
  parent.directory = std::move(*directory);
  return parent;
}

Result<base::File> open_directory(base::FileSystem& file_system, std::string_view path) {
  auto components = checked_components(path);
  if (!components) return fail(components.error());
  return walk(file_system, *components, path);
}

Result<base::File> open_own_directory(base::FileSystem& file_system, const base::File& parent,
                                      const std::string& name, std::uint32_t mode, bool& made) {
  auto making = file_system.make_directory(parent, name, mode);
  if (!making) return fail(making.error());
  made = *making;
  auto directory = file_system.open(parent, name, base::OpenMode::directory);
  if (!directory) return directory;
  auto status = file_system.status(*directory);
  if (!status) return fail(status.error());
  if (status->user_id != file_system.effective_user_id() && status->user_id != 0) {
    return rejected(name, fmt::format("the directory belongs to user {}; remove it or use another "
                                      "base directory",
                                      status->user_id));
  }
  return directory;
}

std::string user_directory_name(base::FileSystem& file_system) {
  return "tensorpool-" + sanitised_user(file_system.effective_user_name());
}

}  // namespace tensorpool::shm
