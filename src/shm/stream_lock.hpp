// The lock of a stream's directory: at most one producer of direct mode writes a stream (STR-1). Where
// regions have a driver, that driver keeps them apart and nobody needs this.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.hpp"

namespace tensorpool::shm {

inline constexpr const char* stream_lock_name = "producer.lock";

// Held until it is destroyed or its process ends, however that ends. Move-only; one thread at a time.
class StreamLock {
 public:
  StreamLock() noexcept = default;  // holds nothing
  StreamLock(StreamLock&&) noexcept = default;
  StreamLock& operator=(StreamLock&& other) noexcept;
  StreamLock(const StreamLock&) = delete;
  StreamLock& operator=(const StreamLock&) = delete;
  // Removes the lock file and lets go. In a forked child, which holds nothing, it leaves the file.
  ~StreamLock() { release(); }

  // `directory` is the open directory of the stream, `path` names it in errors. Never waits. Errors:
  // stream_in_use naming the process that has the stream; those of FileSystem::lock().
  static Result<StreamLock> take(base::FileSystem& file_system, base::File directory,
                                 std::uint32_t stream_id, const std::string& path);

  bool held() const noexcept { return file_.is_open(); }

 private:
  void release() noexcept;
  bool still_named();

  base::FileSystem* file_system_ = nullptr;
  base::File directory_;
  base::File file_;
  std::uint64_t process_id_ = 0;
};

}  // namespace tensorpool::shm
