#include "tp/publish.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tp/connection.hpp"
#include "tp/output.hpp"
#include "tp/signals.hpp"
#include "tp/sources/source.hpp"

namespace tensorpool::cli {

namespace {

struct PublishOptions {
  ConnectionOptions connection;
  std::string input = "stars";
  std::string dtype;
  std::string shape;
  std::string namespace_name = "default";
  std::optional<double> rate_hz;  // unset: the source's own, else default_rate_hz
  std::uint64_t count = 0;
  std::uint32_t slots = 0;
  std::vector<std::uint32_t> pools;
  bool loop = false;
  bool no_timestamps = false;
  bool json = false;
};

// Bytes of shared memory that a stream takes by itself when --slots is absent.
constexpr std::uint64_t default_budget_bytes = std::uint64_t{256} << 20U;
constexpr double default_rate_hz = 100;
constexpr std::uint32_t slots_max = 1024;
constexpr std::uint32_t slots_min = 16;
constexpr std::uint32_t stride_step = 64;
constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t now_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * second_ns + time.tv_nsec;
}

// Sleeps until an absolute time; early on a signal.
void sleep_until(std::int64_t at_ns) noexcept {
  const timespec time{at_ns / second_ns, at_ns % second_ns};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

Result<std::uint32_t> largest_frame(const sources::Source& source) {
  std::uint64_t largest = 0;
  const std::size_t different = source.uniform() ? 1 : std::max<std::size_t>(1, source.size());
  for (std::size_t k = 0; k < different; ++k) {
    const auto bytes = sources::payload_bytes(source.spec(k));
    if (!bytes) return fail(bytes.error());
    largest = std::max(largest, *bytes);
  }
  return static_cast<std::uint32_t>((largest + stride_step - 1) / stride_step * stride_step);
}

Result<ProducerOptions> producer_options(const PublishOptions& options,
                                         const sources::Source& source) {
  const auto largest = largest_frame(source);
  if (!largest) return fail(largest.error());
  ProducerOptions made;
  made.stream = options.connection.stream;
  made.base_dir = options.connection.base_dir;
  made.namespace_name = options.namespace_name;
  made.descriptor_timestamps = !options.no_timestamps;
  std::vector<std::uint32_t> strides = options.pools;
  if (strides.empty()) strides.push_back(*largest);
  if (const std::uint32_t widest = *std::ranges::max_element(strides); widest < *largest) {
    return fail(
        Code::invalid_argument, "--pools",
        fmt::format("the largest pool has {} bytes a slot, but '{}' has frames that need {}",
                    widest, options.input, *largest));
  }
  for (const std::uint32_t stride : strides)
    made.pools.push_back({static_cast<std::uint16_t>(made.pools.size() + 1), stride});
  const std::uint64_t fit = std::bit_floor(default_budget_bytes / *largest + 1);
  made.slots =
      options.slots != 0
          ? options.slots
          : static_cast<std::uint32_t>(std::clamp<std::uint64_t>(fit, slots_min, slots_max));
  return made;
}

struct Run {
  Producer& producer;
  sources::Source& source;
  const PublishOptions& options;
  std::uint64_t next_seq = 0;
  std::uint64_t sent = 0;
  std::uint64_t late = 0;
};

enum class Step : std::uint8_t { sent, again, end };

// Fills a slot; at the end of a source that can begin again and is asked to, with its first frame.
Result<bool> fill_slot(Run& run, std::size_t index, std::span<std::byte> out) {
  auto filled = run.source.fill(index, out);
  if (!filled || *filled || !run.options.loop || stop_requested()) return filled;
  auto begins_again = run.source.rewind();
  if (!begins_again || !*begins_again) return begins_again;
  return run.source.fill(index, out);
}

// Publishes frame `seq mod n`. The spec is needed before the claim tells the seq, so a claim with
// another seq than expected (after a new mapping) is given up and tried again.
Result<Step> publish_one(Run& run) {
  const std::size_t size = run.source.size();
  const std::size_t index = size == 0 ? run.sent : run.next_seq % size;
  auto slot = run.producer.claim(run.source.spec(index));
  if (!slot) {
    const Code code = slot.error().code();
    if (code == Code::connecting || code == Code::reattaching || code == Code::not_attached)
      return Step::again;
    return fail(std::move(slot.error()));
  }
  if (slot->seq() != run.next_seq) {
    run.next_seq = slot->seq() + 1;
    (void)slot->abort();
    return Step::again;
  }
  run.next_seq = slot->seq() + 1;
  const auto filled = fill_slot(run, index, slot->bytes());
  if (!filled) return fail(filled.error());
  if (!*filled) return Step::end;
  const auto committed = slot->commit();
  if (!committed) {
    // The mapping, or the media driver, went between claim and commit.
    const Code code = committed.error().code();
    if (code == Code::lease_ended || code == Code::reattaching) return Step::again;
    return fail(committed.error());
  }
  ++run.sent;
  return Step::sent;
}

Json report(const Run& run, const char* kind, double seconds, std::uint64_t frames,
            std::uint64_t bytes) {
  const ProducerStatistics books = run.producer.statistics();
  return {{"kind", kind},
          {"role", "producer"},
          {"stream", run.producer.stream()},
          {"mode", run.options.connection.mode},
          {"epoch", books.epoch},
          {"fps", seconds > 0 ? static_cast<double>(frames) / seconds : 0.0},
          {"mib_per_s", seconds > 0 ? static_cast<double>(bytes) / seconds / 1048576 : 0.0},
          {"claimed", books.claimed},
          {"published", books.published},
          {"not_announced", books.not_announced},
          {"aborted", books.aborted},
          {"refused", books.refused},
          {"open", books.open},
          {"bytes", books.bytes},
          {"late", run.late},
          {"balanced", books.balanced()}};
}

void print_report(const Run& run, const Json& json) {
  if (run.options.json) return print_json(json);
  const bool summary = json["kind"] == "summary";
  const std::string text = fmt::format(
      "stream {}: {:.1f} frames/s, {:.1f} MiB/s, published {}, not announced {}, aborted {}",
      json["stream"].get<std::uint32_t>(), json["fps"].get<double>(),
      json["mib_per_s"].get<double>(), json["published"].get<std::uint64_t>(),
      json["not_announced"].get<std::uint64_t>(), json["aborted"].get<std::uint64_t>());
  if (!summary) return print_live(text);
  print_line(text);
  print_line(fmt::format(
      "claimed {} = published {} + not announced {} + aborted {} + refused {} + open {}: {}",
      json["claimed"].get<std::uint64_t>(), json["published"].get<std::uint64_t>(),
      json["not_announced"].get<std::uint64_t>(), json["aborted"].get<std::uint64_t>(),
      json["refused"].get<std::uint64_t>(), json["open"].get<std::uint64_t>(),
      json["balanced"].get<bool>() ? paint(Colour::green, "the books balance")
                                   : paint(Colour::red, "the books do not balance")));
}

// Centuries: what a rate close to 0 comes to.
constexpr double longest_period_ns = 4e18;

// Paces by absolute times, so that a late frame does not make all later ones late.
Result<void> publish_frames(Run& run) {
  const PublishOptions& options = run.options;
  std::uint64_t limit = options.count;
  if (!options.loop && !run.source.endless() && run.source.size() != 0)
    limit = limit == 0 ? run.source.size() : std::min<std::uint64_t>(limit, run.source.size());
  const double own_rate_hz = run.source.rate_hz();
  const double rate_hz = options.rate_hz.value_or(own_rate_hz > 0 ? own_rate_hz : default_rate_hz);
  const auto period = rate_hz > 0
                          ? static_cast<std::int64_t>(std::min(
                                static_cast<double>(second_ns) / rate_hz, longest_period_ns))
                          : 0;
  const std::int64_t start = now_ns();
  std::int64_t due = start;
  std::int64_t reported = start;
  std::uint64_t reported_sent = 0;
  std::uint64_t reported_bytes = 0;
  while (!stop_requested() && (limit == 0 || run.sent < limit)) {
    const auto step = publish_one(run);
    if (!step) return fail(step.error());
    if (*step == Step::end) break;
    const std::int64_t now = now_ns();
    if (now - reported >= second_ns) {
      const std::uint64_t bytes = run.producer.statistics().bytes;
      const double seconds = static_cast<double>(now - reported) / 1e9;
      print_report(
          run, report(run, "progress", seconds, run.sent - reported_sent, bytes - reported_bytes));
      reported = now;
      reported_sent = run.sent;
      reported_bytes = bytes;
    }
    if (*step == Step::again) {
      sleep_until(now + second_ns / 1000);
      continue;
    }
    due += period;
    if (period == 0) continue;
    if (due > now) {
      sleep_until(due);
    } else if (now - due > second_ns) {
      due = now;  // after a long stop: no burst to catch up
      ++run.late;
    }
  }
  return {};
}

// The summary comes also when something failed on the way.
Result<void> publish_all(Run& run) {
  const std::int64_t start = now_ns();
  auto done = publish_frames(run);
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  print_report(run, report(run, "summary", seconds, run.sent, run.producer.statistics().bytes));
  return done;
}

int publish(const PublishOptions& options) {
  sources::RawFormat raw;
  if (!options.dtype.empty()) raw.dtype = dtype_from_name(options.dtype);
  if (!options.dtype.empty() && element_size(raw.dtype) == 0) {
    print_error(fmt::format("--dtype {}: unknown element type; u8 … u64, i8 … i64, f32, f64, bool",
                            options.dtype));
    return exit_usage;
  }
  if (!options.shape.empty()) {
    const auto shape = sources::parse_shape(options.shape);
    if (!shape) {
      print_error("--shape: " + shape.error().message());
      return exit_usage;
    }
    raw.shape = *shape;
  }
  auto source = sources::open_source(options.input, raw);
  if (!source) {
    failed(source.error());
    return source.error().code() == Code::invalid_argument ? exit_usage : exit_failed;
  }
  const auto wanted = producer_options(options, **source);
  if (!wanted) return refused(wanted.error());
  auto connection = connect(options.connection, "tp publish");
  if (!connection) return refused(connection.error());
  auto producer = finish(connection->client->producer(*wanted), *connection->client);
  if (!producer) return refused(producer.error());
  if (!options.json) {
    print_line(fmt::format("publishing {} on stream {}, {} mode: {} slots, strides {}",
                           options.input, options.connection.stream, options.connection.mode,
                           wanted->slots, [&] {
                             std::vector<std::uint32_t> strides;
                             for (const auto& pool : wanted->pools)
                               strides.push_back(pool.stride_bytes);
                             return fmt::format("{}", fmt::join(strides, ", "));
                           }()));
  }
  Run run{*producer, **source, options};
  const auto done = publish_all(run);
  if (!done) return failed(done.error());
  if (run.sent == 0 && !stop_requested()) {
    print_error(fmt::format("'{}' held no whole frame", options.input));
    return exit_failed;
  }
  return producer->statistics().balanced() ? exit_ok : exit_failed;
}

}  // namespace

CLI::App* register_publish(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<PublishOptions>();
  CLI::App* app = root.add_subcommand("publish", "Publish frames of a source on a stream");
  app->add_option(
         "--input", options->input,
         "stars, pattern[:WxH[:dtype]], a PNG, JPEG, .npy or FITS file, a folder of pictures, a "
         "video (with the ffmpeg programs), or - for raw frames from standard input")
      ->capture_default_str();
  add_connection_options(*app, options->connection);
  app->add_option("--rate", options->rate_hz,
                  "frames per second; 0: as fast as possible (default: a video's own, else 100)")
      ->check(between(0, 1e7));
  app->add_option("--count", options->count, "end after this many frames; 0: no limit")
      ->check(whole_number(0, UINT64_MAX));
  app->add_flag("--loop", options->loop, "start again at the end of the source");
  app->add_option("--slots", options->slots,
                  "slots of the ring, a power of two (default: what 256 MiB hold, 16 to 1024)")
      ->check(whole_number(1, UINT32_MAX));
  app->add_option("--pools", options->pools,
                  "strides of the payload pools in bytes, multiples of 64 (default: the largest "
                  "frame)")
      ->delimiter(',')
      ->check(whole_number(1, UINT32_MAX));
  app->add_option("--namespace", options->namespace_name, "part of the regions' path")
      ->capture_default_str();
  app->add_option("--dtype", options->dtype, "element type of raw frames, for example u16");
  app->add_option("--shape", options->shape, "shape of raw frames, for example 512x640");
  app->add_flag("--no-timestamps", options->no_timestamps,
                "leave the publish time out of the descriptors");
  app->add_flag("--json", options->json, "one JSON object a line");
  app->footer(
      fmt::format("Examples:\n"
                  "  tp publish                                 a star field, 100 Hz\n"
                  "  tp publish --input photos/ --loop --rate 200\n"
                  "  tp publish --input flight.mp4 --loop\n"
                  "  tp publish --input pattern:1024x1024:u16 --rate 1000 --count 5000\n"
                  "  camera | tp publish --input - --dtype u16 --shape 512x640 --rate 0\n\n"
                  "{}",
                  exit_codes_text));
  app->callback([options, &exit_code] { exit_code = publish(*options); });
  return app;
}

}  // namespace tensorpool::cli
