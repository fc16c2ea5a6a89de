// Where the benches play: a directory of their own, a media driver in a process of its own, worker
// processes on chosen CPUs. Everything ends and is removed with the process that owns the Stage,
// however that ends.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace tensorpool::bench {

// What ends a bench: caught in main() and at the end of every worker process.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The user pressed Ctrl-C, or somebody ended us.
struct Interrupted : Failure {
  Interrupted() : Failure("interrupted") {}
};

// For loops that wait outside Stage::run(): true since somebody asked us to end. Only while there is a Stage.
bool interrupted() noexcept;

// CLOCK_MONOTONIC, the same in all processes.
inline std::int64_t now_ns() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

// The two CPUs that workers are pinned to: of different cores where the kernel says which are.
struct Cpus {
  int first = 0;
  int second = 0;
  int available = 1;
  std::string why_not_pinned;  // empty: workers are pinned
  bool shared() const noexcept { return available == 1; }
};
// Tries to pin, too, and undoes it.
Cpus choose_cpus();

// Pins the calling thread; threads that it starts afterwards inherit it. Nothing happens for a negative
// number, which is what choose_cpus() gives where nobody may pin.
void pin(int cpu);

// An object in memory that workers share with their parent. T has no pointers.
template <class T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Shared() {
    void* memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Failure("mmap of a page of results failed");
    object_ = new (memory) T{};
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { (void)::munmap(object_, sizeof(T)); }

  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }

 private:
  T* object_;
};

// What the names of files in /dev/shm begin with that a subject cannot put into the directory of its link. A Stage
// removes those of its own process, however that ends.
inline std::string named_memory_prefix(pid_t of_the_kit) {
  return "tpbench" + std::to_string(of_the_kit) + "_";
}

// REQUIRES a process without other threads (it forks), and at most one Stage.
class Stage {
 public:
  // Makes the directory and waits until a media driver of its own serves it. With `foreign_aeron_dir` none is started:
  // everybody uses the one that runs there, and nobody needs one where that is empty.
  explicit Stage(const std::optional<std::string>& foreign_aeron_dir = std::nullopt);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  // Ends the media driver and removes the directory.
  ~Stage();

  const std::string& directory() const noexcept { return directory_; }
  const std::string& aeron_dir() const noexcept { return aeron_dir_; }
  // Of the media driver's process; -1: it is somebody else's.
  pid_t driver_pid() const noexcept { return own_driver_ ? keeper_ : -1; }

  // Runs each job in a process of its own and waits for all. When one fails the others are ended
  // and the text of the first failure is thrown; Interrupted when we were asked to stop.
  void run(const std::vector<std::function<void()>>& jobs) const;

 private:
  std::string directory_;
  std::string aeron_dir_;
  bool own_driver_;
  pid_t keeper_ = -1;  // the process that runs the media driver and cleans up
  int guard_ = -1;     // it ends when this end of a pipe closes
};

}  // namespace tensorpool::bench
