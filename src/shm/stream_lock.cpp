#include "shm/stream_lock.hpp"

#include <fmt/format.h>

#include <utility>

namespace tensorpool::shm {
namespace {

std::string describe(const base::LockHolder& holder) {
  if (holder.this_process) return fmt::format("this process ({})", holder.process_id);
  if (holder.process_id == 0) {
    const std::string own =
        holder.own_process_id == 0 ? "" : fmt::format(", process {} there,", holder.own_process_id);
    return "a process that may be of another PID namespace (container)" + own;
  }
  return fmt::format("another process ({})", holder.process_id);
}

}  // namespace

StreamLock& StreamLock::operator=(StreamLock&& other) noexcept {
  if (this == &other) return *this;
  release();
  file_system_ = other.file_system_;
  directory_ = std::move(other.directory_);
  file_ = std::move(other.file_);
  process_id_ = other.process_id_;
  return *this;
}

Result<StreamLock> StreamLock::take(base::FileSystem& file_system, base::File directory,
                                    std::uint32_t stream_id, const std::string& path) {
  auto attempt = file_system.lock(directory, stream_lock_name);
  if (!attempt) {
    return fail(
        attempt.error().code(), "lock of the stream",
        fmt::format("stream {}, directory '{}': {}", stream_id, path, attempt.error().message()));
  }
  if (!attempt->file.is_open()) {
    return fail(
        Code::stream_in_use, "lock of the stream",
        fmt::format("stream {} has a producer: {} holds '{}/{}'; close that producer or end "
                    "its process, or use another stream id, namespace or base directory",
                    stream_id, describe(attempt->holder), path, stream_lock_name));
  }
  StreamLock lock;
  lock.file_system_ = &file_system;
  lock.directory_ = std::move(directory);
  lock.file_ = std::move(attempt->file);
  lock.process_id_ = file_system.process_id();
  return lock;
}

// The name goes while the lock is held: whoever has the file open by then finds that the name is
// another file's, and asks for that one. A name that is another file's by now is its holder's.
void StreamLock::release() noexcept {
  if (!held()) return;
  if (file_system_->process_id() == process_id_ && still_named())
    static_cast<void>(file_system_->unlink(directory_, stream_lock_name));
  file_.close();
  directory_.close();
}

bool StreamLock::still_named() {
  const auto mine = file_system_->status(file_);
  const auto named = file_system_->status_at(directory_, stream_lock_name);
  return mine && named && *named && (*named)->device == mine->device &&
         (*named)->inode == mine->inode;
}

}  // namespace tensorpool::shm
