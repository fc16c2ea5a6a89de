// The wake-up extension as seen from outside: its counters, and what ports count of it.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "agents/wake_finder.hpp"
#include "integration/support.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::integration {

// The sum over all ports of a stream; mirrored every 100 ms.
inline std::int64_t counted(const Folder& folder, const std::string& role, const std::string& name,
                            std::uint32_t stream) {
  std::int64_t sum = 0;
  const auto all = transport::aeron::list_counters(folder.aeron());
  if (!all) return 0;
  const std::string label =
      "tensorpool " + role + " " + name + " stream=" + std::to_string(stream) + " id=";
  for (const auto& counter : *all) {
    if (counter.label.starts_with(label)) sum += counter.value;
  }
  return sum;
}

// How many armed counters of the stream there are, or how many say that their owner sleeps.
inline std::size_t waiters(const Folder& folder, std::uint32_t stream, bool armed) {
  const auto all = transport::aeron::list_counters(folder.aeron());
  if (!all) return 0;
  return static_cast<std::size_t>(std::count_if(all->begin(), all->end(), [&](const auto& counter) {
    std::uint32_t key[2] = {};
    std::memcpy(key, counter.key.data(), sizeof key);
    return counter.type_id == agents::armed_type_id && key[1] == stream &&
           (!armed || counter.value == 1);
  }));
}

// Counters that are no port's: what a liar, or another program, makes.
class CounterMaker {
 public:
  explicit CounterMaker(const Folder& folder) : CounterMaker(folder.aeron()) {}
  explicit CounterMaker(const std::string& aeron_dir)
      : transport_(transport::aeron::make_transport()) {
    transport::ConnectOptions options;
    options.directory = aeron_dir;
    options.driver_timeout_ns = driver_timeout_ns;
    connection_ = transport::connect_now(*transport_, options).value();
  }
  std::unique_ptr<transport::Counter> make(std::int32_t type_id, std::uint32_t stream) {
    const agents::CounterKey key = agents::counter_key(stream, ++made_, 1);
    transport::CounterSpec spec;
    spec.type_id = type_id;
    spec.key = key;
    spec.label = "a stranger's";
    auto add =
        connection_->add_counter(spec, base::SystemClock::monotonic() + driver_timeout_ns * 10);
    std::unique_ptr<transport::Counter> counter;
    (void)eventually([&] {
      counter = (*add)->poll().value();
      return counter != nullptr;
    });
    if (counter == nullptr) throw std::runtime_error("no counter");
    return counter;
  }

 private:
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::uint32_t made_ = 0;
};

}  // namespace tensorpool::integration
