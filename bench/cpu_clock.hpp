// What a piece of work costs, however often the scheduler interrupts it: CPU time of the calling thread,
// and instructions where the kernel lets us count them.
#pragma once

#include <cstdint>
#include <string>

namespace tensorpool::bench {

std::int64_t thread_cpu_ns() noexcept;

// CPU time of all threads of a process, as the scheduler counts it, and how often they were put on a CPU.
struct ProcessCpu {
  std::int64_t ns = 0;
  std::uint64_t turns = 0;
  int threads = 0;
};
// `pid` 0: this process. Threads that have ended are not in it.
ProcessCpu process_cpu(int pid = 0);

// Instructions in user space of the thread that makes it.
class InstructionCounter {
 public:
  InstructionCounter() noexcept;
  InstructionCounter(const InstructionCounter&) = delete;
  InstructionCounter& operator=(const InstructionCounter&) = delete;
  ~InstructionCounter();
  bool works() const noexcept { return file_ >= 0; }
  std::uint64_t now() const noexcept;

 private:
  int file_ = -1;
};
// Empty, or why nobody may count instructions here.
std::string why_no_instructions();

}  // namespace tensorpool::bench
