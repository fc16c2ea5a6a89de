#include "shm/stream_lock.hpp"

#include <fmt/format.h>

#include <utility>

namespace tensorpool::shm {
Result<StreamLock> StreamLock::take(base::FileSystem& file_system, base::File directory,
                                    std::uint32_t stream_id, const std::string& path) {
  auto attempt = LockFile::take(file_system, std::move(directory), stream_lock_name);
  if (!attempt) {
    return fail(
        attempt.error().code(), "lock of the stream",
        fmt::format("stream {}, directory '{}': {}", stream_id, path, attempt.error().message()));
  }
  if (!attempt->lock.held()) {
    return fail(
        Code::stream_in_use, "lock of the stream",
        fmt::format("stream {} has a producer: {} holds '{}/{}'; close that producer or end "
                    "its process, or use another stream id, namespace or base directory",
                    stream_id, describe(attempt->holder), path, stream_lock_name));
  }
  StreamLock lock;
  lock.file_ = std::move(attempt->lock);
  return lock;
}

}  // namespace tensorpool::shm
