// Lock files of this process (F_SETLK). POSIX gives them two traps: closing any descriptor of a file
// drops the lock that the process has on it, and a process never conflicts with itself. Both are met
// by one table of the locks that are held, asked before a file is opened. Internal to base; cold
// paths only.
#pragma once

#include "base/file_system.hpp"

namespace tensorpool::base {

struct TakenLock {
  int fd = -1;  // the locked file; -1: the holder has it
  LockHolder holder;
};

// FileSystem::lock() on descriptors. Any thread.
Result<TakenLock> take_lock(int directory, const char* name);

// Closes any descriptor; the lock of one from take_lock() ends with it.
void close_lock(int fd) noexcept;

}  // namespace tensorpool::base
