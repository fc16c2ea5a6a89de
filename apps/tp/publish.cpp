#include "tp/publish.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tp/connection.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "tp/sources/source.hpp"

namespace tensorpool::cli {

namespace {

struct PublishOptions {
  ConnectionOptions connection;
  std::string input = "stars";
  std::string dtype;
  std::string shape;
  std::string base_dir = "/dev/shm";
  std::string namespace_name = "default";
  std::optional<double> rate_hz;  // unset: the source's own, else default_rate_hz
  std::uint64_t count = 0;
  std::uint32_t slots = 0;
  std::vector<std::uint32_t> pools;
  bool loop = false;
  bool no_timestamps = false;
  bool json = false;
  double report_s = 1;
};

constexpr double default_rate_hz = 100;
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

// Direct mode: what to create.
Result<ProducerOptions> own_regions(const PublishOptions& options, const sources::Source& source) {
  const auto largest = sources::stride_for(source);
  if (!largest) return fail(largest.error());
  ProducerOptions made;
  made.base_dir = options.base_dir;
  made.namespace_name = options.namespace_name;
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
  made.slots = options.slots != 0 ? options.slots : sources::slots_for(*largest);
  return made;
}

Result<ProducerOptions> producer_options(const PublishOptions& options,
                                         const sources::Source& source) {
  ProducerOptions made;
  if (options.connection.direct()) {
    auto own = own_regions(options, source);
    if (!own) return own;
    made = std::move(*own);
  }
  made.stream = options.connection.stream;
  made.descriptor_timestamps = !options.no_timestamps;
  made.wake_waiters = true;  // of pictures and videos nobody counts the microseconds
  return made;
}

// CON-50, and the other way round.
bool refuse_misplaced(const Command& app, const ConnectionOptions& options) {
  if (options.direct()) {
    const bool leases = refuse_lease_options(app, options);
    return refuse_given(app, {"--allowed-base-dir"},
                        "--base-dir is where regions lie with --mode direct") ||
           leases;
  }
  return refuse_given(app, {"--slots", "--pools", "--base-dir", "--namespace"},
                      "the driver decides that (its configuration: [shm] and the profile of the "
                      "stream); leave it out, or use --mode direct");
}

struct Run {
  Producer& producer;
  sources::Source& source;
  const PublishOptions& options;
  std::uint64_t next_seq = 0;
  std::uint64_t sent = 0;
  std::uint64_t late = 0;
  std::uint64_t missed = 0;  // frames that fell due while nothing could be claimed
};

enum class Step : std::uint8_t { sent, again, away, end };

// The media driver, the regions or the lease are away; they come back by themselves.
bool comes_back(Code code) {
  switch (code) {
    case Code::connecting:
    case Code::not_attached:
    case Code::reattaching:
    case Code::lease_ended:
    case Code::shutdown:
      return true;
    default:
      return false;
  }
}

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
    if (comes_back(code)) return Step::away;
    if (code == Code::too_large && !run.options.connection.direct()) {
      print_error(
          fmt::format("the pools of stream {} are those of its profile in the driver's "
                      "configuration; none of them holds a frame of '{}'",
                      run.producer.stream(), run.options.input));
    }
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
    // The mapping, the lease or the media driver went between claim and commit.
    if (comes_back(committed.error().code())) return Step::again;
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
          {"state", name(run.producer.state())},
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
          {"missed", run.missed},
          {"sessions", books.sessions},
          {"balanced", books.balanced()}};
}

void print_report(const Run& run, const Json& json) {
  if (run.options.json) return print_json(json);
  const bool summary = json["kind"] == "summary";
  const std::string text = fmt::format(
      "stream {}{}: {:.1f} frames/s, {:.1f} MiB/s, published {}, not announced {}, aborted {}",
      json["stream"].get<std::uint32_t>(),
      summary || json["state"] == "active" ? "" : " " + json["state"].get<std::string>(),
      json["fps"].get<double>(), json["mib_per_s"].get<double>(),
      json["published"].get<std::uint64_t>(), json["not_announced"].get<std::uint64_t>(),
      json["aborted"].get<std::uint64_t>());
  if (!summary) return print_live(text);
  print_line(text);
  print_line(fmt::format(
      "claimed {} = published {} + not announced {} + aborted {} + refused {} + open {}: {}",
      json["claimed"].get<std::uint64_t>(), json["published"].get<std::uint64_t>(),
      json["not_announced"].get<std::uint64_t>(), json["aborted"].get<std::uint64_t>(),
      json["refused"].get<std::uint64_t>(), json["open"].get<std::uint64_t>(),
      json["balanced"].get<bool>() ? paint(Colour::green, "the books balance")
                                   : paint(Colour::red, "the books do not balance")));
  if (run.missed > 0)
    print_line(fmt::format("{} frames fell due while nothing could be claimed", run.missed));
}

// Centuries: what a rate close to 0 comes to.
constexpr double longest_period_ns = 4e18;

// How often a claim is tried again.
constexpr std::int64_t retry_ns = second_ns / 1000;

// When frames are due, by absolute times, so that a late frame does not make all later ones late.
class Pace {
 public:
  Pace(std::int64_t start, double rate_hz)
      : due_(start),
        period_(rate_hz > 0 ? static_cast<std::int64_t>(std::min(
                                  static_cast<double>(second_ns) / rate_hz, longest_period_ns))
                            : 0) {}

  // After a frame that was sent.
  void next(Run& run, std::int64_t now) {
    if (period_ == 0) return;
    due_ += period_;
    if (due_ > now) {
      sleep_until(due_);
    } else if (now - due_ > second_ns) {
      due_ = now;  // after a long stop: no burst to catch up
      ++run.late;
    }
  }

  // Nothing can be claimed: frames that fall due are not sent later.
  void miss(Run& run, std::int64_t now) {
    if (period_ == 0) {
      ++run.missed;
    } else if (now > due_ + period_) {
      const std::int64_t frames = (now - due_) / period_;
      run.missed += static_cast<std::uint64_t>(frames);
      due_ += frames * period_;
    }
    sleep_until(now + retry_ns);
  }

 private:
  std::int64_t due_;
  std::int64_t period_;
};

// Reports of what went on since the one before.
class Reports {
 public:
  Reports(std::int64_t start, double every_s)
      : at_(start), every_(static_cast<std::int64_t>(every_s * 1e9)) {}

  void tell_when_due(const Run& run, std::int64_t now) {
    if (now - at_ < every_) return;
    const std::uint64_t bytes = run.producer.statistics().bytes;
    print_report(run, report(run, "progress", static_cast<double>(now - at_) / 1e9,
                             run.sent - sent_, bytes - bytes_));
    at_ = now;
    sent_ = run.sent;
    bytes_ = bytes;
  }

 private:
  std::int64_t at_;
  std::int64_t every_;
  std::uint64_t sent_ = 0;
  std::uint64_t bytes_ = 0;
};

Result<void> publish_frames(Run& run) {
  const PublishOptions& options = run.options;
  std::uint64_t limit = options.count;
  if (!options.loop && !run.source.endless() && run.source.size() != 0)
    limit = limit == 0 ? run.source.size() : std::min<std::uint64_t>(limit, run.source.size());
  const double own_rate_hz = run.source.rate_hz();
  const std::int64_t start = now_ns();
  Pace pace(start, options.rate_hz.value_or(own_rate_hz > 0 ? own_rate_hz : default_rate_hz));
  Reports reports(start, options.report_s);
  while (!stop_requested() && (limit == 0 || run.sent < limit)) {
    const auto step = publish_one(run);
    if (!step) return fail(step.error());
    if (*step == Step::end) break;
    const std::int64_t now = now_ns();
    reports.tell_when_due(run, now);
    switch (*step) {
      case Step::sent:
        pace.next(run, now);
        break;
      case Step::away:
        pace.miss(run, now);
        break;
      default:
        sleep_until(now + retry_ns);
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

// What --dtype and --shape say, or nothing when they are wrong, which is printed.
std::optional<sources::RawFormat> raw_format(const PublishOptions& options) {
  sources::RawFormat raw;
  if (!options.dtype.empty()) raw.dtype = dtype_from_name(options.dtype);
  if (!options.dtype.empty() && element_size(raw.dtype) == 0) {
    print_error(fmt::format("--dtype {}: unknown element type; u8 … u64, i8 … i64, f32, f64, bool",
                            options.dtype));
    return std::nullopt;
  }
  if (!options.shape.empty()) {
    const auto shape = sources::parse_shape(options.shape);
    if (!shape) {
      print_error("--shape: " + shape.error().message());
      return std::nullopt;
    }
    raw.shape = *shape;
  }
  return raw;
}

void print_begin(const PublishOptions& options, const ProducerOptions& wanted) {
  std::string regions;
  if (options.connection.direct()) {
    std::vector<std::uint32_t> strides;
    strides.reserve(wanted.pools.size());
    for (const PoolOptions& pool : wanted.pools) strides.push_back(pool.stride_bytes);
    regions = fmt::format(": {} slots, strides {}", wanted.slots, fmt::join(strides, ", "));
  }
  print_line(fmt::format("publishing {} on stream {}, {} mode{}", options.input,
                         options.connection.stream, options.connection.mode, regions));
}

int publish(const Command& app, const PublishOptions& options) {
  if (refuse_misplaced(app, options.connection)) return exit_usage;
  const auto raw = raw_format(options);
  if (!raw) return exit_usage;
  auto source = sources::open_source(options.input, *raw);
  if (!source) {
    failed(source.error());
    return source.error().code() == Code::invalid_argument ? exit_usage : exit_failed;
  }
  const auto wanted = producer_options(options, **source);
  if (!wanted) return refused(wanted.error());
  ConnectionOptions places = options.connection;
  if (places.direct()) places.allowed_base_dirs = {options.base_dir};
  auto connection = connect(places, "tp publish", options.json);
  if (!connection) return refused(connection.error());
  auto producer = finish(connection->client->producer(*wanted), *connection);
  if (!producer) return refused(producer.error());
  if (!options.json) print_begin(options, *wanted);
  Run run{*producer, **source, options};
  const auto done = publish_all(run);
  if (!done) return failed(done.error());
  if (run.sent == 0 && !stop_requested()) {
    print_error(fmt::format("'{}' held no whole frame", options.input));
    return exit_failed;
  }
  return producer->statistics().balanced() ? exit_ok : exit_failed;
}

void add_region_options(Command& app, PublishOptions& options) {
  constexpr const char* group =
      "Direct mode: regions of its own (in driver mode the driver decides)";
  app.option("--slots", options.slots,
             "slots of the ring, a power of two (default: what 256 MiB hold, 16 to 1024)")
      .check(whole_number(1, UINT32_MAX))
      .group(group);
  app.option("--pools", options.pools,
             "strides of the payload pools in bytes, multiples of 64 (default: the largest "
             "frame)")
      .delimiter(',')
      .check(whole_number(1, UINT32_MAX))
      .group(group);
  app.option("--base-dir", options.base_dir, "where to create regions")
      .show_default()
      .check(absolute_path())
      .group(group);
  app.option("--namespace", options.namespace_name, "part of the regions' path")
      .show_default()
      .group(group);
}

}  // namespace

Command register_publish(Command& root) {
  auto options = std::make_shared<PublishOptions>();
  Command app = root.command("publish", "Publish frames of a source on a stream");
  app.option(
         "--input", options->input,
         "stars, pattern[:WxH[:dtype]], a PNG, JPEG, .npy or FITS file, a folder of pictures, a "
         "video (with the ffmpeg programs), or - for raw frames from standard input")
      .show_default();
  add_connection_options(app, options->connection);
  app.option("--rate", options->rate_hz,
             "frames per second; 0: as fast as possible (default: a video's own, else 100)")
      .check(between(0, 1e7));
  app.option("--count", options->count, "end after this many frames; 0: no limit")
      .check(whole_number(0, UINT64_MAX));
  app.flag("--loop", options->loop, "start again at the end of the source");
  app.option("--dtype", options->dtype, "element type of raw frames, for example u16");
  app.option("--shape", options->shape, "shape of raw frames, for example 512x640");
  app.flag("--no-timestamps", options->no_timestamps,
           "leave the publish time out of the descriptors");
  app.flag("--json", options->json, "one JSON object a line");
  app.option("--report", options->report_s, "seconds between two reports")
      .show_default()
      .check(between(0.01, 86400));
  app.option("--allowed-base-dir", options->connection.allowed_base_dirs,
             "where the driver's regions may lie; may be given several times (default: /dev/shm)")
      .check(absolute_path())
      .one_at_a_time()
      .group("Driver mode");
  add_region_options(app, *options);
  app.footer(fmt::format(
      "Examples:\n"
      "  tp publish                                 a star field, 100 Hz; needs tp_driver\n"
      "  tp publish --mode direct                   the same without a driver\n"
      "  tp publish --input photos/ --loop --rate 200\n"
      "  tp publish --input flight.mp4 --loop\n"
      "  tp publish --input pattern:1024x1024:u16 --rate 1000 --count 5000\n"
      "  camera | tp publish --input - --dtype u16 --shape 512x640 --rate 0\n\n"
      "{}",
      exit_codes_text));
  app.runs([app, options] { return publish(app, *options); });
  return app;
}

}  // namespace tensorpool::cli
