// The part of a base directory that belongs to one driver: <base_dir>/tensorpool-<user>/<namespace>,
// with one directory for each stream below it (create.hpp). What a driver does there before it hears
// its first client: it makes sure to be the only one, and looks at what former ones left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "shm/lock_file.hpp"

namespace tensorpool::shm {

inline constexpr const char* driver_lock_name = "driver.lock";

class DriverPlace {
 public:
  // Makes the directories that are missing, with the mode that goes with `file_mode`, and takes
  // driver.lock in the last of them. The file system outlives the place. Errors: invalid_argument for
  // namespace, file mode and base directory; driver_running naming the process that has the lock;
  // path_rejected for a directory that another user owns; permission_rejected and system_error.
  static Result<DriverPlace> take(base::FileSystem& file_system, const std::string& base_dir,
                                  const std::string& namespace_name, std::uint32_t file_mode);

  // Canonical path of the namespace's directory.
  const std::string& directory() const noexcept { return directory_; }
  bool on_hugetlbfs() const noexcept { return on_hugetlbfs_; }

  // Term c of the epoch rule (A6): the highest epoch with a directory; 0 when there is none.
  Result<std::uint64_t> highest_epoch(std::uint32_t stream_id) const;
  // Ids of all streams that have a directory, ascending. At most limits::epochs_scanned names.
  Result<std::vector<std::uint32_t>> streams() const;

 private:
  DriverPlace() = default;

  base::FileSystem* file_system_ = nullptr;
  std::string directory_;
  bool on_hugetlbfs_ = false;
  base::File here_;
  LockFile lock_;
};

}  // namespace tensorpool::shm
