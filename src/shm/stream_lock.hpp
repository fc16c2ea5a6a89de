// The lock of a stream's directory: at most one producer of direct mode writes a stream (STR-1). Where
// regions have a driver, that driver keeps them apart and nobody needs this.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.hpp"
#include "shm/lock_file.hpp"

namespace tensorpool::shm {

inline constexpr const char* stream_lock_name = "producer.lock";

// Held until it is destroyed or its process ends, however that ends. Move-only; one thread at a time.
class StreamLock {
 public:
  StreamLock() noexcept = default;  // holds nothing

  // `directory` is the open directory of the stream, `path` names it in errors. Never waits. Errors:
  // stream_in_use naming the process that has the stream; those of FileSystem::lock().
  static Result<StreamLock> take(base::FileSystem& file_system, base::File directory,
                                 std::uint32_t stream_id, const std::string& path);

  bool held() const noexcept { return file_.held(); }

 private:
  LockFile file_;
};

}  // namespace tensorpool::shm
