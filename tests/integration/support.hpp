// A world of its own for every test: a folder under /dev/shm, a media driver in it, and clients whose
// settings are small enough for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "tensorpool/client.hpp"
#include "tensorpool/media_driver.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::integration {

using namespace std::chrono_literals;

using test::eventually;
using test::patience;

// How long a media driver may stand still before clients give it up. Three times the default: a crowded
// machine stops one for longer than one thinks, and every such stop would be a story of its own.
inline constexpr std::int64_t driver_timeout_ns = 6'000'000'000;

class Folder : public test::Places {
 public:
  Folder() : Places("integration") {}
};

// All parties of one media driver name the same term lengths, as Aeron wants it.
inline ClientOptions client_options(const std::string& aeron_dir, const std::string& base_dir,
                                    const char* descriptor_term = "1m") {
  ClientOptions options;
  options.mode = Mode::direct;
  options.aeron_dir = aeron_dir;
  options.allowed_base_dirs = {base_dir};
  options.control.channel = "aeron:ipc?term-length=64k";
  options.announce.channel = "aeron:ipc?term-length=64k";
  options.qos.channel = "aeron:ipc?term-length=64k";
  options.metadata.channel = "aeron:ipc?term-length=64k";
  options.descriptor.channel = std::string("aeron:ipc?term-length=") + descriptor_term;
  // Five periods without a sign of life are the end of a writer: it must be able to stand still for
  // a while.
  options.announce_period_ns = 500'000'000;
  options.media_driver_timeout_ns = driver_timeout_ns;
  return options;
}

inline ClientOptions client_options(const Folder& folder, const char* descriptor_term = "1m") {
  return client_options(folder.aeron(), folder.regions(), descriptor_term);
}

inline ProducerOptions producer_options(const std::string& base_dir, std::uint32_t stream,
                                        std::uint32_t slots,
                                        const std::vector<std::uint32_t>& strides) {
  ProducerOptions options;
  options.stream = stream;
  options.base_dir = base_dir;
  options.slots = slots;
  for (const std::uint32_t stride : strides)
    options.pools.push_back({static_cast<std::uint16_t>(options.pools.size() + 1), stride});
  return options;
}

inline ProducerOptions producer_options(const Folder& folder, std::uint32_t stream,
                                        std::uint32_t slots,
                                        const std::vector<std::uint32_t>& strides) {
  return producer_options(folder.regions(), stream, slots, strides);
}

inline ConsumerOptions consumer_options(std::uint32_t stream) {
  ConsumerOptions options;
  options.stream = stream;
  return options;
}

// The folder and the media driver; clients are made by the test and end before it.
class World {
 public:
  World() { start_media_driver(); }

  void start_media_driver() {
    auto driver = MediaDriver::launch({.aeron_dir = folder_.aeron()});
    if (!driver) throw std::runtime_error(driver.error().message());
    driver_.emplace(std::move(*driver));
  }
  void end_media_driver() { driver_.reset(); }

  const Folder& folder() const noexcept { return folder_; }

 private:
  Folder folder_;
  std::optional<MediaDriver> driver_;
};

inline Client connect(ClientOptions options) { return Client::connect(std::move(options)).value(); }
inline Producer make_producer(Client& client, ProducerOptions options) {
  return client.producer(std::move(options)).wait(patience).value();
}
inline Consumer make_consumer(Client& client, ConsumerOptions options) {
  return client.consumer(std::move(options)).wait(patience).value();
}
// Polls until the consumer has mapped the stream.
inline bool until_active(Consumer& consumer) {
  return eventually([&] { return consumer.state() == PortState::active; });
}
// Until the media driver lets the descriptors of the usual stream through, which is a moment after
// their reader exists: what is sent before is told to nobody, or held back.
inline bool until_linked(const Folder& folder) {
  return eventually([&] {
    auto limits = transport::aeron::list_counters(folder.aeron());
    if (!limits) return false;
    std::erase_if(*limits, [](const auto& counter) {
      return !counter.label.starts_with("pub-lmt") ||
             counter.label.find(" 1100 ") == std::string::npos;
    });
    return !limits->empty() && std::all_of(limits->begin(), limits->end(),
                                           [](const auto& counter) { return counter.value > 0; });
  });
}

}  // namespace tensorpool::integration
