#include "tp/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "tp/connection.hpp"
#include "tp/json.hpp"
#include "tp/latency.hpp"
#include "tp/live_preview.hpp"
#include "tp/signals.hpp"
#include "tp/sources/npy.hpp"
#include "tp/sources/pictures.hpp"
#include "tp/sources/source.hpp"

namespace tensorpool::cli {

namespace {

struct WatchOptions {
  ConnectionOptions connection;
  std::string expect;
  std::string save_dir;
  std::string save_format = "npy";
  std::uint64_t count = 0;
  double timeout_s = 0;
  double slow_ms = 0;
  std::uint32_t slow_every = 1;
  bool latest = false;
  bool preview = false;
  bool json = false;
  double report_s = 1;
};

constexpr std::int64_t second_ns = 1'000'000'000;
// How long the loop waits for a frame before it looks at the rest: signals, reports, --timeout.
constexpr std::chrono::milliseconds longest_wait{50};

std::int64_t now_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * second_ns + time.tv_nsec;
}

void sleep_for(std::int64_t ns) noexcept {
  const timespec time{ns / second_ns, ns % second_ns};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

bool present(std::uint64_t timestamp_ns) { return timestamp_ns != 0 && timestamp_ns != UINT64_MAX; }

class Watcher {
 public:
  Watcher(Consumer& consumer, const Connection& connection, sources::Source* expected,
          const WatchOptions& options)
      : consumer_(consumer), connection_(connection), expected_(expected), options_(options) {
    if (options.preview) preview_.emplace();
  }

  int run();

 private:
  Result<void> take(FrameView view);
  void compare(const FrameView& view, bool& differs);
  Result<void> save(const FrameInfo& info);
  std::string silence() const;
  Json report(const char* kind, double seconds, const ConsumerStatistics& since,
              const Latencies& latencies);
  void print(const Json& json);
  bool enough() const {
    return options_.count != 0 && consumer_.statistics().delivered >= options_.count;
  }

  Consumer& consumer_;
  const Connection& connection_;
  sources::Source* expected_;
  const WatchOptions& options_;
  Latencies all_;
  Latencies recent_;
  const char* latency_from_ = "publish";
  FrameInfo last_;
  std::vector<std::byte> copy_;
  std::uint64_t equal_ = 0;
  std::uint64_t mismatched_ = 0;
  std::uint64_t torn_caught_ = 0;  // bytes were wrong, and the proof said so
  std::uint64_t saved_ = 0;
  std::string first_mismatch_;
  std::optional<LivePreview> preview_;
  std::string preview_line_;     // below the picture: the last report
  std::string preview_refused_;  // why the last frame was not drawn
};

// Compares in place; whether the answer counts is decided by the proof that follows.
void Watcher::compare(const FrameView& view, bool& differs) {
  const FrameInfo& info = view.info();
  const std::size_t index = info.seq % expected_->size();
  const TensorSpec spec = expected_->spec(index);
  const auto bytes = expected_->frame(index);
  const bool same_spec = spec.dtype == info.dtype && spec.order == info.order &&
                         std::ranges::equal(spec.shape.span(), info.shape());
  differs = !bytes || !same_spec || bytes->size() != info.size_bytes ||
            std::memcmp(bytes->data(), view.bytes().data(), bytes->size()) != 0;
}

Result<void> Watcher::save(const FrameInfo& info) {
  TensorSpec spec;
  spec.dtype = info.dtype;
  spec.order = info.order;
  spec.shape = Dims(info.shape());
  // What the file says is the contiguous frame; a padded one is saved as its bytes.
  const auto bytes = sources::payload_bytes(spec);
  if (!bytes || *bytes != copy_.size()) {
    spec.dtype = DType::u8;
    spec.order = MajorOrder::row;
    spec.shape = {static_cast<std::int64_t>(copy_.size())};
  }
  const std::string path = fmt::format("{}/frame-{:020}-{:010}.{}", options_.save_dir, info.epoch,
                                       info.seq, options_.save_format);
  auto written = options_.save_format == "png" ? sources::write_png(path, spec, copy_)
                                               : sources::write_npy(path, spec, copy_);
  if (written) ++saved_;
  return written;
}

// One frame: look at it in place, prove it, and only then believe what was seen.
Result<void> Watcher::take(FrameView view) {
  const std::int64_t arrived_ns = now_ns();
  const FrameInfo info = view.info();
  if (options_.slow_ms > 0 && info.seq % options_.slow_every == 0)
    sleep_for(static_cast<std::int64_t>(options_.slow_ms * 1e6));
  bool differs = false;
  if (expected_ != nullptr) compare(view, differs);
  const bool shown = preview_ && preview_->due(arrived_ns);
  if (!options_.save_dir.empty() || shown) copy_.assign(view.bytes().begin(), view.bytes().end());
  const Outcome outcome = view.finish();
  if (outcome != Outcome::delivered) {
    if (outcome == Outcome::overwritten && differs) ++torn_caught_;
    return {};
  }
  last_ = info;
  if (expected_ != nullptr) {
    ++(differs ? mismatched_ : equal_);
    if (differs && first_mismatch_.empty()) {
      first_mismatch_ = fmt::format("seq {} ({} {}, {} bytes) differs from frame {} of '{}'",
                                    info.seq, name(info.dtype), shape_text(info.shape()),
                                    info.size_bytes, info.seq % expected_->size(), options_.expect);
    }
  }
  const bool published = present(info.publish_time_ns);
  latency_from_ = published ? "publish" : "capture";
  const std::uint64_t from = published ? info.publish_time_ns : info.capture_time_ns;
  if (present(from)) {
    const std::int64_t latency = arrived_ns - static_cast<std::int64_t>(from);
    all_.record(latency);
    recent_.record(latency);
  }
  if (shown) {
    // A frame that cannot be drawn is said once, and ends nothing.
    const auto drawn = preview_->show(info, copy_, preview_line_, arrived_ns);
    const std::string refused = drawn ? std::string() : drawn.error().message();
    if (!refused.empty() && refused != preview_refused_) print_error(refused);
    preview_refused_ = refused;
  }
  if (!options_.save_dir.empty()) return save(info);
  return {};
}

Json Watcher::report(const char* kind, double seconds, const ConsumerStatistics& since,
                     const Latencies& latencies) {
  const ConsumerStatistics books = consumer_.statistics();
  const auto per_second = [seconds](std::uint64_t amount) {
    return seconds > 0 ? static_cast<double>(amount) / seconds : 0.0;
  };
  Json json{{"kind", kind},
            {"role", "consumer"},
            {"stream", consumer_.stream()},
            {"state", name(consumer_.state())},
            {"epoch", books.epoch},
            {"fps", per_second(books.delivered - since.delivered)},
            {"mib_per_s", per_second(books.bytes - since.bytes) / 1048576},
            {"latency_from", latency_from_},
            {"latency_ns", latencies.json()},
            {"dtype", name(last_.dtype)},
            {"shape", last_.shape()},
            {"delivered", books.delivered},
            {"overwritten", books.overwritten},
            {"lost", books.lost},
            {"skipped", books.skipped},
            {"ended", books.ended},
            {"seen", books.seen},
            {"bytes", books.bytes},
            {"sessions", books.sessions},
            {"balanced", books.balanced()}};
  if (expected_ != nullptr) {
    json["equal"] = equal_;
    json["mismatched"] = mismatched_;
    json["torn_caught"] = torn_caught_;
    if (!first_mismatch_.empty()) json["first_mismatch"] = first_mismatch_;
  }
  if (!options_.save_dir.empty()) json["saved"] = saved_;
  return json;
}

void Watcher::print(const Json& json) {
  if (options_.json) return print_json(json);
  const auto number = [&json](const char* key) { return json[key].get<std::uint64_t>(); };
  std::string latency = last_.ndims == 0 ? "no frame" : "no timestamps";
  if (const Json& ns = json["latency_ns"]; !ns.is_null()) {
    latency = fmt::format("p50 {} p99 {} max {} since {}", human_ns(ns["p50"].get<std::int64_t>()),
                          human_ns(ns["p99"].get<std::int64_t>()),
                          human_ns(ns["max"].get<std::int64_t>()), latency_from_);
  }
  const std::string kind =
      last_.ndims == 0 ? std::string()
                       : fmt::format("{} {}, ", name(last_.dtype), shape_text(last_.shape()));
  const std::string text = fmt::format(
      "stream {} {}: {:.1f} frames/s, {:.1f} MiB/s, {}{}, lost {}, overwritten {}",
      number("stream"), json["state"].get<std::string>(), json["fps"].get<double>(),
      json["mib_per_s"].get<double>(), kind, latency, number("lost"), number("overwritten"));
  if (json["kind"] != "summary") {
    if (preview_ && on_terminal()) {
      preview_line_ = text;  // drawn with the next picture
      return;
    }
    return print_live(text);
  }
  print_line(text);
  print_line(
      fmt::format("seen {} = delivered {} + overwritten {} + lost {} + skipped {} + ended {}: {}",
                  number("seen"), number("delivered"), number("overwritten"), number("lost"),
                  number("skipped"), number("ended"),
                  json["balanced"].get<bool>() ? paint(Colour::green, "the books balance")
                                               : paint(Colour::red, "the books do not balance")));
  if (expected_ != nullptr) {
    print_line(fmt::format(
        "{} frames equal to '{}', {}", equal_, options_.expect,
        mismatched_ == 0
            ? paint(Colour::green, "none different")
            : paint(Colour::red, fmt::format("{} different: {}", mismatched_, first_mismatch_))));
  }
  if (!options_.save_dir.empty()) print_line(fmt::format("{} frames saved", saved_));
}

// Why --timeout ended it, as far as that is known.
std::string Watcher::silence() const {
  std::string text = fmt::format("no frame for {} s", options_.timeout_s);
  if (connection_.client->state() == ClientState::connecting) {
    return text + fmt::format(": no media driver serves {}{}", connection_.client->aeron_dir(),
                              connection_.news->media_driver_hint());
  }
  const std::string why = connection_.news->trouble();
  return why.empty() ? text : text + ": " + why;
}

int Watcher::run() {
  const std::int64_t start = now_ns();
  const auto report_ns = static_cast<std::int64_t>(options_.report_s * 1e9);
  std::int64_t reported = start;
  std::int64_t last_frame = start;
  ConsumerStatistics since;
  bool silent = false;  // ended by --timeout without a single frame
  while (!stop_requested() && !enough()) {
    auto view = options_.latest ? consumer_.latest(longest_wait) : consumer_.next(longest_wait);
    const std::int64_t now = now_ns();
    if (view) {
      last_frame = now;
      if (const auto taken = take(std::move(*view)); !taken) return failed(taken.error());
    } else if (view.error().code() == Code::closed) {
      break;
    }
    if (now - reported >= report_ns) {
      print(report("progress", static_cast<double>(now - reported) / 1e9, since, recent_));
      since = consumer_.statistics();
      recent_.reset();
      reported = now;
    }
    if (options_.timeout_s > 0 &&
        static_cast<double>(now - last_frame) > options_.timeout_s * 1e9) {
      print_error(silence());
      silent = consumer_.statistics().delivered == 0;
      break;
    }
  }
  preview_.reset();  // the cursor is back before the summary
  const Json summary =
      report("summary", static_cast<double>(now_ns() - start) / 1e9, ConsumerStatistics{}, all_);
  print(summary);
  const bool complete = options_.count == 0 ? !silent : enough();
  return complete && mismatched_ == 0 && summary["balanced"].get<bool>() ? exit_ok : exit_failed;
}

// --timeout counts for the media driver, too.
std::chrono::nanoseconds waiting_limit(double timeout_s) {
  if (timeout_s <= 0) return Patience::usual;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(timeout_s * 1e9));
}

int watch(const Command& app, const WatchOptions& options) {
  if (refuse_lease_options(app, options.connection)) return exit_usage;
  std::unique_ptr<sources::Source> expected;
  if (!options.expect.empty()) {
    auto source = sources::open_source(options.expect);
    if (!source) {
      failed(source.error());
      return source.error().code() == Code::invalid_argument ? exit_usage : exit_failed;
    }
    expected = std::move(*source);
    if (expected->size() == 0) {
      print_error(
          "--expect: raw frames and videos can only be read one after the other; name pictures or "
          "a "
          ".npy file");
      return exit_usage;
    }
  }
  if (!options.save_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.save_dir, error);
    if (error) {
      print_error(fmt::format("--save '{}': {}", options.save_dir, error.message()));
      return exit_failed;
    }
  }
  auto connection = connect(options.connection, "tp watch", options.json);
  if (!connection) return refused(connection.error());
  ConsumerOptions wanted;
  wanted.stream = options.connection.stream;
  auto consumer =
      finish(connection->client->consumer(wanted), *connection, waiting_limit(options.timeout_s));
  if (!consumer) return refused(consumer.error());
  Watcher watcher(*consumer, *connection, expected.get(), options);
  return watcher.run();
}

}  // namespace

Command register_watch(Command& root) {
  auto options = std::make_shared<WatchOptions>();
  Command app = root.command("watch", "Watch a stream: rates, latency, losses, contents");
  add_connection_options(app, options->connection);
  app.option("--base-dir,--allowed-base-dir", options->connection.allowed_base_dirs,
             "where regions may lie; may be given several times (default: /dev/shm)")
      .check(absolute_path())
      .one_at_a_time();
  app.option("--report", options->report_s, "seconds between two reports")
      .show_default()
      .check(between(0.01, 86400));
  app.option("--count", options->count, "end after this many delivered frames")
      .check(whole_number(0, UINT64_MAX));
  app.option("--timeout", options->timeout_s,
             "end when no frame, or no media driver, comes for so many seconds")
      .check(between(0, 1e9));
  app.option("--expect", options->expect,
             "compare every delivered frame byte by byte with frame (seq mod n) of this "
             "source of n frames");
  app.option("--save", options->save_dir, "save every delivered frame into this folder");
  app.option("--format", options->save_format, "how to save: npy or png")
      .show_default()
      .check(one_of({"npy", "png"}));
  app.option("--slow-ms", options->slow_ms,
             "hold every frame in place this long before looking at it")
      .check(between(0, 1e9));
  app.option("--slow-every", options->slow_every, "with --slow-ms: hold each N-th frame only")
      .show_default()
      .check(whole_number(1, 1'000'000));
  app.flag("--latest", options->latest, "always take the newest frame; skip older ones");
  const Option preview = app.flag(
      "--preview", options->preview,
      "draw frames on the terminal, up to ten a second; only once where standard output is "
      "no terminal");
  app.flag("--json", options->json, "one JSON object a line").excludes(preview);
  app.footer(fmt::format(
      "A preview is coloured where COLORTERM or TERM says that the terminal can do it and NO_COLOR "
      "is\n"
      "not set; else it is drawn in letters. Shapes HxW, HxWx1 to HxWx4, 1xHxW and 3xHxW; all "
      "element\n"
      "types but u8 are scaled to what the frame holds. A frame that is being drawn holds up "
      "nobody.\n\n"
      "One-way latency is from the publish time in the descriptor to the moment the frame can be\n"
      "read in place; without it, from the capture time in the slot. The output names which.\n\n"
      "Examples:\n"
      "  tp watch                                  rates and latency of stream 10000\n"
      "  tp watch --mode direct                    the same for a producer without a driver\n"
      "  tp watch --expect photos/ --count 2000    prove that what arrives is what was sent\n"
      "  tp watch --save frames/ --format png --count 10\n"
      "  tp watch --preview\n"
      "  tp watch --json | jq .latency_ns.p99\n\n"
      "{}",
      exit_codes_text));
  app.runs([app, options] { return watch(app, *options); });
  return app;
}

}  // namespace tensorpool::cli
