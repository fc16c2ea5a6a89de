// Counters of the wake-up extension in the test's own memory.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "agents/sleeper.hpp"
#include "agents/wiring.hpp"

namespace tensorpool::agents::test {

class FakeCounterMemory {
 public:
  explicit FakeCounterMemory(std::int64_t registration_id) : words_{0, registration_id} {}

  transport::CounterPlace place() noexcept { return {words_.data(), words_[1]}; }
  std::int64_t get() noexcept { return std::atomic_ref(words_[0]).load(); }
  void set(std::int64_t value) noexcept { std::atomic_ref(words_[0]).store(value); }
  // The media driver gives the place to somebody else. Not beside other threads.
  void reuse() noexcept { words_[1] += 1000; }

 private:
  alignas(16) std::array<std::int64_t, 2> words_;
};

inline WakeLinks wake_links(FakeCounterMemory& own,
                            std::initializer_list<FakeCounterMemory*> others,
                            std::uint64_t version = 1) {
  WakeLinks links;
  links.own = own.place();
  for (FakeCounterMemory* other : others) links.add(other->place());
  links.version = version;
  return links;
}

// C1 to C3.
inline void get_ready(Sleeper& sleeper, const WakeLinks& links) {
  sleeper.arm(links);
  sleeper.look(links);
}

}  // namespace tensorpool::agents::test
