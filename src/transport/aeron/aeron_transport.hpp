// The transport over Aeron's C client.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

// Makes connections to media drivers. connect() belongs to one thread, and so does destroying it, which
// does not wait for a connect that is under way; probe() and directory() are any thread's.
std::unique_ptr<transport::Transport> make_transport();

// Aeron's default directory, whatever AERON_DIR says; empty when it is too long for a path.
std::string default_directory();

// The directory that an option leads to: itself, else AERON_DIR, else Aeron's default.
std::string resolve_directory(const std::string& option);

// The directory of `option`, refused (invalid_argument) when it is relative or longer than Aeron's
// own file names allow: Aeron would cut it silently and serve another directory.
Result<std::string> usable_directory(const char* call, const std::string& option);

// One counter as seen from outside, without a client.
struct CounterView {
  std::int32_t id = 0;
  std::int32_t type_id = 0;
  std::int64_t value = 0;
  std::string label;
  std::vector<std::byte> key;
  std::int64_t owner_id = 0;  // client_id() of the connection that made it; 0: the media driver
  std::int64_t registration_id = 0;  // tells two lives of one counter id apart
};
// All allocated counters of the media driver in `directory`, also of one that has died;
// no_media_driver when there are no files of any.
Result<std::vector<CounterView>> list_counters(const std::string& directory);

}  // namespace tensorpool::transport::aeron
