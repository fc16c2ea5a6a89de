// Every outcome that a frame can have, one step each, all on one thread: what frame_path_test runs
// under its watch. A step does not allocate, lock or call the system by itself.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "integration/support.hpp"
#include "transport/transport.hpp"

namespace tensorpool::integration {

struct FrameScene {
  struct Step {
    const char* name;
    bool (*run)(FrameScene&);  // false: what the step is for did not happen
    bool rare = false;         // takes long: repeat it less
    bool last = false;         // ends the stream: no warm-up
  };
  static std::span<const Step> steps();

  // Where it plays; set before the first scene is made.
  static inline const Folder* folder = nullptr;

  FrameScene();

  // Publishes one frame that reaches consumers, whatever it takes.
  bool publish();
  bool publish(int count);
  // Reads whatever has arrived.
  void drain();
  // A descriptor that no producer of ours sent.
  bool inject(std::uint32_t stream, std::uint64_t epoch, std::uint64_t seq);
  bool inject_noise();

  MediaDriver driver;
  Client client;
  Client lonely_client;
  Client pressed_client;
  Producer producer;
  Consumer consumer;
  Consumer limited;  // wants one frame a second
  Producer lonely;   // nobody subscribes to its descriptors
  Producer pressed;  // its only consumer does not read
  Consumer still;
  std::unique_ptr<transport::Transport> transport;
  std::unique_ptr<transport::Connection> connection;
  std::unique_ptr<transport::Publication> injector;
  std::array<std::byte, 4096> buffer{};
  std::uint64_t events = 0;
};

}  // namespace tensorpool::integration
