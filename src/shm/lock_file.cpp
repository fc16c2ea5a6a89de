#include "shm/lock_file.hpp"

#include <fmt/format.h>

#include <utility>

namespace tensorpool::shm {

std::string describe(const base::LockHolder& holder) {
  if (holder.this_process) return fmt::format("this process ({})", holder.process_id);
  if (holder.process_id == 0) {
    const std::string own =
        holder.own_process_id == 0 ? "" : fmt::format(", process {} there,", holder.own_process_id);
    return "a process that may be of another PID namespace (container)" + own;
  }
  return fmt::format("another process ({})", holder.process_id);
}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  if (this == &other) return *this;
  release();
  file_system_ = other.file_system_;
  directory_ = std::move(other.directory_);
  file_ = std::move(other.file_);
  name_ = std::move(other.name_);
  process_id_ = other.process_id_;
  return *this;
}

Result<LockFile::Attempt> LockFile::take(base::FileSystem& file_system, base::File directory,
                                         std::string name) {
  auto attempt = file_system.lock(directory, name);
  if (!attempt) return fail(attempt.error());
  Attempt taken;
  taken.holder = attempt->holder;
  if (!attempt->file.is_open()) return taken;
  taken.lock.file_system_ = &file_system;
  taken.lock.directory_ = std::move(directory);
  taken.lock.file_ = std::move(attempt->file);
  taken.lock.name_ = std::move(name);
  taken.lock.process_id_ = file_system.process_id();
  return taken;
}

// The name goes while the lock is held: whoever has the file open by then finds that the name is
// another file's, and asks for that one. A name that is another file's by now is its holder's.
void LockFile::release() noexcept {
  if (!held()) return;
  if (file_system_->process_id() == process_id_ && still_named())
    static_cast<void>(file_system_->unlink(directory_, name_));
  file_.close();
  directory_.close();
}

bool LockFile::still_named() {
  const auto mine = file_system_->status(file_);
  const auto named = file_system_->status_at(directory_, name_);
  return mine && named && *named && (*named)->device == mine->device &&
         (*named)->inode == mine->inode;
}

}  // namespace tensorpool::shm
