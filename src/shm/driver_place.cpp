#include "shm/driver_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "shm/create.hpp"
#include "shm/path.hpp"

namespace tensorpool::shm {

Result<DriverPlace> DriverPlace::take(base::FileSystem& file_system, const std::string& base_dir,
                                      const std::string& namespace_name, std::uint32_t file_mode) {
  if (auto good = check_namespace(namespace_name); !good) return fail(good.error());
  if (auto good = check_file_mode(file_mode); !good) return fail(good.error());
  if (base_dir.empty() || base_dir.front() != '/') {
    return fail(Code::invalid_argument, "driver",
                fmt::format("base directory '{}' is not absolute", base_dir));
  }
  auto canonical = file_system.canonical(base_dir);
  if (!canonical) return fail(canonical.error());
  auto here = open_directory(file_system, *canonical);
  if (!here) return fail(here.error());
  auto info = file_system.file_system_info(*here);
  if (!info) return fail(info.error());

  DriverPlace place;
  place.file_system_ = &file_system;
  place.on_hugetlbfs_ = info->type == base::hugetlbfs_type;
  place.directory_ = *canonical == "/" ? "" : *canonical;
  for (const std::string& name : {user_directory_name(file_system), namespace_name}) {
    bool made = false;
    auto next = open_own_directory(file_system, *here, name, directory_mode(file_mode), made);
    if (!next) return fail(next.error());
    *here = std::move(*next);
    place.directory_ += "/" + name;
  }
  place.here_ = std::move(*here);
  auto directory = open_directory(file_system, place.directory_);
  if (!directory) return fail(directory.error());
  auto attempt = LockFile::take(file_system, std::move(*directory), driver_lock_name);
  if (!attempt) {
    return fail(attempt.error().code(), "lock of the driver",
                fmt::format("directory '{}': {}", place.directory_, attempt.error().message()));
  }
  if (!attempt->lock.held()) {
    return fail(
        Code::driver_running, "lock of the driver",
        fmt::format("{} drives this namespace already and holds '{}/{}'; end that driver, or "
                    "use another namespace or base directory",
                    describe(attempt->holder), place.directory_, driver_lock_name));
  }
  place.lock_ = std::move(attempt->lock);
  return place;
}

Result<std::uint64_t> DriverPlace::highest_epoch(std::uint32_t stream_id) const {
  const std::string name = fmt::format("{}", stream_id);
  auto status = file_system_->status_at(here_, name);
  if (!status) return fail(status.error());
  if (!*status) return std::uint64_t{0};
  auto directory = file_system_->open(here_, name, base::OpenMode::directory);
  if (!directory) return fail(directory.error());
  return highest_epoch_in(*file_system_, *directory);
}

Result<std::vector<std::uint32_t>> DriverPlace::streams() const {
  auto names = file_system_->list(here_, base::limits::epochs_scanned);
  if (!names) return fail(names.error());
  std::vector<std::uint32_t> ids;
  for (const std::string& name : *names) {
    const auto id = epoch_from_name(name);  // plain decimal as well
    if (id && *id != 0 && *id < UINT32_MAX) ids.push_back(static_cast<std::uint32_t>(*id));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace tensorpool::shm
