// The streams of a driver, listened to from outside: no lease, no request, nobody notices.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"
#include "tp/command_line.hpp"
#include "tp/driver_heard.hpp"
#include "transport/transport.hpp"

namespace tensorpool::cli {

// Where a driver is to be found. Announces are heard on the control stream in any case, and on a stream of their own:
// an empty channel means that of control, the stream is by default the one that clients listen to.
struct DriverPlace {
  std::string aeron_dir;
  Endpoint control{"aeron:ipc?term-length=4m", 1000};
  std::string announce_channel;
  std::int32_t announce_stream = 1001;

  Endpoint announce() const {
    return {announce_channel.empty() ? control.channel : announce_channel, announce_stream};
  }
};
void add_place_options(Command& app, DriverPlace& place);

// The media driver of `aeron_dir`, or why there is none.
Result<std::string> living_media_driver(const std::string& aeron_dir);

// One Aeron client with the streams of one driver. One thread.
class DriverWire {
 public:
  // Waits (bounded; a signal ends it) until the streams are there. With `sends` also a publication.
  static Result<DriverWire> open(const DriverPlace& place, bool sends);

  // Hears everything that is waiting, a bounded amount. Error: the media driver is gone.
  Result<int> poll(Heard& heard);
  // Publishers on the control stream, this one's own publication included.
  int publishers() const;
  bool connected() const;
  // Retries a bounded time while the stream is busy.
  Result<void> send(std::span<const std::byte> message);

 private:
  DriverWire() = default;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;  // outlives the streams
  std::unique_ptr<transport::Subscription> control_;
  std::unique_ptr<transport::Subscription> announce_;  // null: announces come on control
  std::unique_ptr<transport::Publication> out_;
};

// Listens until `seconds` have passed (absent: for ever), a signal comes, or `done` says so, which is asked after
// every round.
Result<void> listen(DriverWire& wire, Heard& heard, std::optional<double> seconds,
                    const std::function<bool()>& done);

base::Nanos monotonic_now() noexcept;

}  // namespace tensorpool::cli
