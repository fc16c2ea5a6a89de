#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/prng.hpp"
#include "tp/driver_commands.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "wire/codec.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

constexpr const char* variable = "POLICIES_SHUTDOWN_TOKEN";
// The longest that a driver can be configured with.
constexpr std::size_t token_max_bytes = 1024;
// How long the streams of others are waited for before the request is sent.
constexpr base::Nanos join_ns = 2'000'000'000;

Result<std::string> read_token(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(Error::system("open", errno, file));
  std::string text;
  std::array<char, 512> piece{};
  ssize_t got = 0;
  // One more than allowed and a line end, to tell.
  while (text.size() <= token_max_bytes + 2 &&
         (got = ::read(fd, piece.data(), piece.size())) != 0) {
    if (got < 0 && errno == EINTR && !stop_requested()) continue;
    if (got < 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return fail(Error::system("read", error, file));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

wire::driver::ShutdownReason reason_of(const std::string& name) {
  if (name == "normal") return wire::driver::ShutdownReason::normal;
  if (name == "error") return wire::driver::ShutdownReason::error;
  return wire::driver::ShutdownReason::admin;
}

// Sums over the drivers of this control stream that have counters.
struct Counts {
  std::uint64_t drivers = 0;
  std::uint64_t draining = 0;
  std::uint64_t ignored = 0;
};

Counts counts_of(const DriverPlace& place) {
  Counts counts;
  for (const DriverSeen& driver :
       drivers_of(place.aeron_dir, static_cast<std::uint32_t>(place.control.stream_id))) {
    if (!process_alive(driver.process_id)) continue;
    ++counts.drivers;
    counts.draining += driver.value("state").value_or(0) != 0 ? 1U : 0U;
    counts.ignored += driver.value("shutdown requests ignored").value_or(0);
  }
  return counts;
}

int tell_ended(const wire::driver::ShmDriverShutdown& notice, bool json) {
  const std::string text = wire::printable(notice.error_message, base::limits::error_message_bytes);
  const std::string_view reason = wire::protocol_name(notice.reason);
  if (json) {
    print_json(Json{{"kind", "shutdown"}, {"ended", true}, {"reason", reason}, {"text", text}});
  } else {
    print_line(fmt::format("the driver has ended: {}{}{}", reason, text.empty() ? "" : ", ", text));
  }
  return exit_ok;
}

std::string why_not(const Counts& before, const Counts& after, double seconds) {
  if (after.ignored > before.ignored)
    return "the driver ignored the request: the token is not its own, or it has none configured "
           "(policies.shutdown_token)";
  const std::string none = fmt::format("no driver ended within {} s: ", seconds);
  if (after.draining > 0)
    return none + "it is draining, and its policies.shutdown_timeout_ms may be longer (--timeout)";
  return none +
         "the token may be wrong, none may be configured (policies.shutdown_token), the driver may "
         "drain for longer (--timeout) or listen on another control stream (--control-stream)";
}

int not_ended(const std::string& why, bool json) {
  if (json) print_json(Json{{"kind", "shutdown"}, {"ended", false}, {"why", why}});
  print_error(why);
  return exit_failed;
}

Result<void> send_request(DriverWire& wire, const DriverShutdownOptions& options,
                          const std::string& token) {
  wire::driver::ShmDriverShutdownRequest request;
  request.correlation_id = static_cast<std::int64_t>(base::random_seed() >> 1U) | 1;  // never 0
  request.reason = reason_of(options.reason);
  request.token = token;
  request.error_message = options.text;
  std::vector<std::byte> bytes(wire::encoded_size(request));
  if (auto encoded = wire::try_encode(request, bytes); !encoded)
    return fail(encoded.error().error("encode"));
  return wire.send(bytes);
}

// Sends, and waits for the notice.
int ask(const DriverShutdownOptions& options, const std::string& token) {
  auto wire = DriverWire::open(options.place, true);
  if (!wire) return failed(wire.error());
  Heard before_it;  // such as the end of a driver that this one follows
  // The driver's own publication is what its notice comes on: nothing is heard before it joined. Without any
  // the request still goes out, since it may be there and not be seen yet.
  const base::Nanos joined_by = monotonic_now() + join_ns;
  const auto joined = listen(*wire, before_it, join_ns / 1e9, [&] {
    return (wire->publishers() > 1 && wire->connected()) || monotonic_now() > joined_by;
  });
  if (!joined) return failed(joined.error());
  const Counts before = counts_of(options.place);
  if (auto sent = send_request(*wire, options, token); !sent) return failed(sent.error());
  if (options.timeout_s == 0) {
    if (options.json) print_json(Json{{"kind", "shutdown"}, {"ended", nullptr}});
    if (!options.json)
      print_line("the request was sent; there is no reply, and none was waited for");
    return exit_ok;
  }
  Heard heard;
  base::Nanos next_look = 0;
  Counts after = before;
  const auto listened = listen(*wire, heard, options.timeout_s, [&] {
    if (const base::Nanos now = monotonic_now(); now >= next_look) {
      next_look = now + 100'000'000;
      after = counts_of(options.place);
    }
    return heard.shutdown().has_value() || after.ignored > before.ignored;
  });
  if (heard.shutdown()) return tell_ended(*heard.shutdown(), options.json);
  if (!listened)
    return not_ended(
        fmt::format("{}; whether the driver ended is not known", listened.error().message()),
        options.json);
  if (stop_requested()) return not_ended("ended by a signal before the driver had", options.json);
  return not_ended(why_not(before, after, options.timeout_s), options.json);
}

}  // namespace

Result<std::string> shutdown_token(const std::optional<std::string>& option,
                                   const std::string& file, const char* environment) {
  std::string token;
  if (option) {
    token = *option;
  } else if (!file.empty()) {
    auto read = read_token(file);
    if (!read) return read;
    token = std::move(*read);
  } else if (environment != nullptr) {
    token = environment;
  }
  // What the message can carry, and a driver be configured with.
  const bool sendable = !token.empty() && token.size() <= token_max_bytes &&
                        std::ranges::all_of(token, [](char c) { return c >= 0x20 && c <= 0x7E; });
  if (sendable) return token;
  return fail(
      Code::invalid_argument, "shutdown",
      token.empty()
          ? fmt::format("no token: name one with --token-file, --token or the environment "
                        "variable {}",
                        variable)
          : fmt::format("the token must be 1 to {} printable ASCII characters; this one has {} "
                        "bytes",
                        token_max_bytes, token.size()));
}

int driver_shutdown(const DriverShutdownOptions& options) {
  const auto token = shutdown_token(options.token, options.token_file, std::getenv(variable));
  if (!token) {
    failed(token.error());
    return token.error().code() == Code::invalid_argument ? exit_usage : exit_failed;
  }
  const bool sendable = options.text.size() <= base::limits::error_message_bytes &&
                        wire::printable(options.text, options.text.size()) == options.text;
  if (!sendable) {
    print_error(fmt::format("--text must be printable ASCII of at most {} bytes",
                            base::limits::error_message_bytes));
    return exit_usage;
  }
  const auto directory = living_media_driver(options.place.aeron_dir);
  if (!directory) return failed(directory.error());
  return ask(options, *token);
}

}  // namespace tensorpool::cli
