#include "tp/driver_wire.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "base/limits.hpp"
#include "tp/command_line.hpp"
#include "tp/output.hpp"
#include "tp/signals.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/channel.hpp"

namespace tensorpool::cli {
namespace {

constexpr base::Nanos patience_ns = 10'000'000'000;
constexpr int pause_ms = 2;
// Rounds of polling before somebody looks at the clock.
constexpr int rounds_per_poll = 100;

void pause() { ::poll(nullptr, 0, pause_ms); }

Error ended() { return {Code::closed, "wait", "ended by a signal"}; }

transport::ConnectOptions connect_options(const std::string& aeron_dir) {
  transport::ConnectOptions options;
  options.directory = aeron_dir;
  options.client_name = "tp driver";
  return options;
}

// Polls an add until it is there; the transport gives it up at its deadline.
template <class T>
Result<std::unique_ptr<T>> complete(Result<std::unique_ptr<transport::Add<T>>> add) {
  if (!add) return fail(std::move(add.error()));
  for (;;) {
    auto made = (*add)->poll();
    if (!made || *made != nullptr) return made;
    if (stop_requested()) return fail(ended());
    pause();
  }
}

Check channel() {
  return {"channel", [](const std::string& text) {
            return text.starts_with("aeron:") && text.size() <= base::limits::config_channel_bytes
                       ? std::string()
                       : fmt::format("'{}' is no Aeron channel (aeron:…, at most {} bytes)", text,
                                     base::limits::config_channel_bytes);
          }};
}

}  // namespace

base::Nanos monotonic_now() noexcept { return base::SystemClock::monotonic(); }

void add_place_options(Command& app, DriverPlace& place) {
  app.option("--aeron-dir", place.aeron_dir,
             "directory of the media driver (default: AERON_DIR, then Aeron's own)")
      .check(absolute_path());
  app.option("--control-channel", place.control.channel, "channel of the control stream")
      .show_default()
      .check(channel());
  app.option("--control-stream", place.control.stream_id, "stream id of the control stream")
      .show_default()
      .check(whole_number(1, INT32_MAX));
  app.option("--announce-channel", place.announce_channel,
             "channel of the announces (default: that of the control stream)")
      .check(channel());
  app.option("--announce-stream", place.announce_stream,
             "stream id of the announces, where they do not come on the control stream")
      .show_default()
      .check(whole_number(1, INT32_MAX));
}

Result<std::string> living_media_driver(const std::string& aeron_dir) {
  const auto transport = transport::aeron::make_transport();
  const transport::ConnectOptions options = connect_options(aeron_dir);
  const transport::MediaDriverState state = transport->probe(options);
  std::string directory = transport->directory(options);
  if (state.alive) return directory;
  return fail(Code::no_media_driver, "connect",
              fmt::format("no media driver serves {} ({}); name the directory of the driver's "
                          "(--aeron-dir or AERON_DIR)",
                          directory, state.why));
}

Result<DriverWire> DriverWire::open(const DriverPlace& place, bool sends) {
  DriverWire wire;
  wire.transport_ = transport::aeron::make_transport();
  const base::Nanos deadline = monotonic_now() + patience_ns;
  const transport::ConnectOptions options = connect_options(place.aeron_dir);
  for (;;) {
    auto connection = wire.transport_->connect(options);
    if (connection) {
      wire.connection_ = std::move(*connection);
      break;
    }
    if (connection.error().code() != Code::connecting) return fail(std::move(connection.error()));
    if (stop_requested()) return fail(ended());
    if (monotonic_now() > deadline)
      return fail(Code::timeout, "connect", "the media driver did not take this program in time");
    pause();
  }
  const auto subscribe = [&](const Endpoint& at) {
    return complete(
        wire.connection_->add_subscription(at.channel, at.stream_id, deadline, nullptr));
  };
  auto control = subscribe(place.control);
  if (!control) return fail(std::move(control.error()));
  wire.control_ = std::move(*control);
  if (const Endpoint announce = place.announce(); announce != place.control) {
    auto made = subscribe(announce);
    if (!made) return fail(std::move(made.error()));
    wire.announce_ = std::move(*made);
  }
  if (!sends) return wire;
  auto out = complete(wire.connection_->add_publication(
      transport::control_channel(place.control.channel), place.control.stream_id, deadline));
  if (!out) return fail(std::move(out.error()));
  wire.out_ = std::move(*out);
  return wire;
}

Result<int> DriverWire::poll(Heard& heard) {
  if (connection_->is_closed())
    return fail(Code::client_lost, "listen", "the media driver ended, or dropped this program");
  const base::SystemClock clock;
  const auto hear = [&](const transport::Fragment& message) {
    heard.hear(message.data, message.session_id, clock.monotonic_ns(), clock.realtime_ns());
  };
  int work = 0;
  for (transport::Subscription* subscription : {control_.get(), announce_.get()}) {
    if (subscription == nullptr) continue;
    for (int round = 0; round < rounds_per_poll; ++round) {
      const int fragments = subscription->poll_assembled(hear, base::limits::fragments_per_poll);
      work += fragments;
      if (fragments == 0) break;
    }
  }
  return work;
}

int DriverWire::publishers() const { return control_->image_count(); }
bool DriverWire::connected() const { return out_ != nullptr && out_->is_connected(); }

Result<void> DriverWire::send(std::span<const std::byte> message) {
  const base::Nanos deadline = monotonic_now() + patience_ns;
  transport::Position position = transport::not_connected;
  while (!stop_requested() && monotonic_now() < deadline) {
    position = out_->offer(message);
    if (position > 0) return {};
    if (position != transport::not_connected && position != transport::back_pressured &&
        position != transport::admin_action)
      break;
    pause();
  }
  if (stop_requested()) return fail(ended());
  return fail(Code::back_pressured, "send",
              fmt::format("the control stream takes no message (Aeron says {})", position));
}

Result<void> listen(DriverWire& wire, Heard& heard, std::optional<double> seconds,
                    const std::function<bool()>& done) {
  const base::Nanos end =
      seconds ? monotonic_now() + static_cast<base::Nanos>(*seconds * 1e9) : INT64_MAX;
  while (!stop_requested() && monotonic_now() < end) {
    const auto work = wire.poll(heard);
    if (!work) return fail(work.error());
    if (done()) return {};
    if (*work == 0) pause();
  }
  return {};
}

}  // namespace tensorpool::cli
