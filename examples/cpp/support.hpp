// What the examples need beside tensorpool: arguments, Ctrl-C, a simulated camera, and a mirror to steer.
#pragma once

#include <tensorpool/tensorpool.hpp>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace example {

inline volatile std::sig_atomic_t stop_signal = 0;
inline std::atomic<tensorpool::Consumer*> waiting = nullptr;

inline bool stopped() noexcept { return stop_signal != 0; }

// [guide:interrupt]
// The handler of Ctrl-C. interrupt() may be called there, and ends a wait however long it may last.
inline void on_signal(int /*number*/) {
  stop_signal = 1;
  if (tensorpool::Consumer* consumer = waiting.load()) consumer->interrupt();
}

// Whom Ctrl-C interrupts: a consumer of a program of one thread, for as long as this is there.
struct EndedBySignals {
  explicit EndedBySignals(tensorpool::Consumer& consumer) noexcept { waiting = &consumer; }
  ~EndedBySignals() { waiting = nullptr; }
  EndedBySignals(const EndedBySignals&) = delete;
  EndedBySignals& operator=(const EndedBySignals&) = delete;
};
// [/guide:interrupt]

// Ctrl-C and SIGTERM end the loops. No SA_RESTART: a wait returns at once.
inline void catch_signals() noexcept {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

struct Arguments {
  std::uint32_t stream = 10'000;
  std::uint64_t count = 0;  // frames until the program ends by itself; 0: until Ctrl-C
  std::string base_dir = "/dev/shm";
};

inline std::optional<std::uint64_t> number(std::string_view text, std::uint64_t least,
                                           std::uint64_t most) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value < least || value > most ? std::nullopt : std::optional(value);
}

// Nothing when the arguments are not understood; what is wrong has been printed then.
inline std::optional<Arguments> parse(int argc, char** argv) {
  Arguments parsed;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--stream" && number(value, 1, UINT32_MAX - 1)) {
      parsed.stream = static_cast<std::uint32_t>(*number(value, 1, UINT32_MAX - 1));
    } else if (option == "--count" && number(value, 0, UINT64_MAX)) {
      parsed.count = *number(value, 0, UINT64_MAX);
    } else if (option == "--base-dir" && value.starts_with('/')) {
      parsed.base_dir = value;
    } else {
      std::fprintf(
          stderr,
          "not understood: %s %s\nusage: %s [--stream ID] [--count FRAMES] [--base-dir DIR]\n",
          argv[i], i + 1 < argc ? argv[i + 1] : "", argv[0]);
      return std::nullopt;
    }
  }
  return parsed;
}

// Runs a program: 2 for arguments that are not understood, 1 for an error, with its text. The examples ask for
// `value()`, which throws the error that it finds, and this is the one place that catches it.
template <class Program>
int run(int argc, char** argv, Program program) {
  catch_signals();
  const auto arguments = parse(argc, argv);
  if (!arguments) return 2;
  try {
    return program(*arguments) ? 0 : 1;
  } catch (const tl::bad_expected_access<tensorpool::Error>& failed) {
    std::fprintf(stderr, "%s\n", failed.error().message().c_str());
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "%s\n", failed.what());
  }
  return 1;
}

struct Point {
  double row = 0;
  double column = 0;
};

// A camera of 100 frames a second that sees one bright square wander over a dark sky.
class Camera {
 public:
  static constexpr int rows = 240;
  static constexpr int columns = 320;
  static constexpr std::uint32_t frame_bytes = rows * columns * sizeof(std::uint16_t);

  explicit Camera(std::uint64_t frames) noexcept : frames_(frames) {
    clock_gettime(CLOCK_MONOTONIC, &due_);
  }

  // Waits for the next exposure. False after the last frame and on Ctrl-C.
  bool expose() noexcept {
    if (stopped() || (frames_ != 0 && exposed_ == frames_)) return false;
    due_.tv_nsec += period_ns;
    if (due_.tv_nsec >= second_ns) {
      due_.tv_nsec -= second_ns;
      ++due_.tv_sec;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due_, nullptr);
    ++exposed_;
    return !stopped();
  }

  // When the frame was exposed, in the time of CLOCK_MONOTONIC.
  std::uint64_t exposed_at_ns() const noexcept {
    return static_cast<std::uint64_t>(due_.tv_sec) * second_ns +
           static_cast<std::uint64_t>(due_.tv_nsec);
  }

  // Where the centre of the square is in frame `n`.
  static Point position(std::uint64_t n) noexcept {
    return {static_cast<double>(top(n)) + (square - 1) / 2.0,
            static_cast<double>(left(n)) + (square - 1) / 2.0};
  }

  // Writes the picture of frame `n`.
  static void read_into(std::span<std::uint16_t> pixels, std::uint64_t n) noexcept {
    for (std::uint16_t& pixel : pixels) pixel = dark;
    for (std::size_t row = top(n); row < top(n) + square; ++row) {
      for (std::size_t column = left(n); column < left(n) + square; ++column)
        pixels[row * columns + column] = bright;
    }
  }

  static constexpr std::uint16_t dark = 100;

 private:
  static constexpr std::size_t square = 16;
  static constexpr std::uint16_t bright = 40'000;
  static constexpr long second_ns = 1'000'000'000;
  static constexpr long period_ns = second_ns / 100;

  static std::size_t top(std::uint64_t n) noexcept { return n % (rows - square); }
  static std::size_t left(std::uint64_t n) noexcept { return (3 * n) % (columns - square); }

  std::uint64_t frames_;
  std::uint64_t exposed_ = 0;
  timespec due_{};
};

// Centre of what is brighter than the dark sky. May be called on bytes that another process overwrites
// meanwhile: whatever it reads, it ends and gives some point.
inline Point centroid(const tensorpool::TensorView<std::uint16_t, 2>& image) noexcept {
  double sum = 0, row_sum = 0, column_sum = 0;
  for (std::int64_t row = 0; row < image.extent(0); ++row) {
    for (std::int64_t column = 0; column < image.extent(1); ++column) {
      const std::uint16_t pixel = image(row, column);
      if (pixel <= Camera::dark) continue;
      const double weight = pixel - Camera::dark;
      sum += weight;
      row_sum += weight * static_cast<double>(row);
      column_sum += weight * static_cast<double>(column);
    }
  }
  return sum > 0 ? Point{row_sum / sum, column_sum / sum} : Point{};
}

// Stands for whatever acts on a frame. Prints every hundredth correction.
class Mirror {
 public:
  void steer(Point spot, std::uint64_t seq) noexcept {
    const Point expected = Camera::position(seq);
    const double off = (spot.row - expected.row) * (spot.row - expected.row) +
                       (spot.column - expected.column) * (spot.column - expected.column);
    if (off > 1e-6) ++wrong_;
    if (steered_++ % 100 == 0) {
      std::printf("frame %llu: spot at row %.1f, column %.1f\n",
                  static_cast<unsigned long long>(seq), spot.row, spot.column);
      std::fflush(stdout);
    }
  }
  std::uint64_t steered() const noexcept { return steered_; }
  // Corrections for a spot that the camera never saw: there must be none.
  std::uint64_t wrong() const noexcept { return wrong_; }

 private:
  std::uint64_t steered_ = 0;
  std::uint64_t wrong_ = 0;
};

// Prints the books of a consumer; true when they balance and no frame was wrong.
inline bool report(const tensorpool::ConsumerStatistics& books, const Mirror& mirror) noexcept {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "seen %llu = delivered %llu + overwritten %llu + lost %llu + skipped %llu + ended %llu; "
      "%llu spots, %llu wrong\n",
      number(books.seen), number(books.delivered), number(books.overwritten), number(books.lost),
      number(books.skipped), number(books.ended), number(mirror.steered()), number(mirror.wrong()));
  return books.balanced() && mirror.wrong() == 0;
}

// Prints why nothing can be sent, once as long as it stays the same.
inline void report(const tensorpool::Error& error) {
  static tensorpool::Code last = tensorpool::Code::ok;
  if (error.code() != last) std::fprintf(stderr, "%s\n", error.message().c_str());
  last = error.code();
}

// Prints the books of a producer; true when they balance.
inline bool report(const tensorpool::ProducerStatistics& books) noexcept {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "claimed %llu = published %llu + not announced %llu + aborted %llu + refused %llu + open "
      "%llu\n",
      number(books.claimed), number(books.published), number(books.not_announced),
      number(books.aborted), number(books.refused), number(books.open));
  return books.balanced();
}

}  // namespace example
