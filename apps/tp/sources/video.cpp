#include "tp/sources/video.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "tp/sources/process.hpp"

namespace tensorpool::sources {

namespace {

using Json = nlohmann::json;

constexpr const char* call = "open_video";
constexpr const char* package = "ffmpeg";
constexpr std::size_t probe_limit_bytes = std::size_t{1} << 20U;

tl::unexpected<Error> broken(const std::string& path, const std::string& reason) {
  return fail(Code::invalid_file, call, fmt::format("'{}': {}", path, reason));
}

// What ffmpeg calls the format that we ask for, and what a frame of it is to us.
struct Format {
  std::string ffmpeg_name;
  TensorSpec spec;
  double rate_hz = 0;
};

// "30000/1001" → 29.97; 0 for anything else, "0/0" included.
double rate_of(const Json& stream, const char* key) {
  const auto found = stream.find(key);
  if (found == stream.end() || !found->is_string()) return 0;
  const std::string text = found->get<std::string>();
  char* end = nullptr;
  const double over = std::strtod(text.c_str(), &end);
  if (*end != '/') return 0;
  const double under = std::strtod(end + 1, nullptr);
  const double rate = under > 0 ? over / under : 0;
  return rate > 0 && rate < 1e7 ? rate : 0;
}

std::int64_t number_of(const Json& stream, const char* key) {
  const auto found = stream.find(key);
  return found != stream.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// Grey of more than 8 and up to 16 bits, in ffmpeg's names without the byte order.
bool deep_grey(std::string_view stored) {
  if (!stored.ends_with("le") && !stored.ends_with("be")) return false;
  stored.remove_suffix(2);
  constexpr std::array<std::string_view, 5> names{"gray9", "gray10", "gray12", "gray14", "gray16"};
  return std::ranges::find(names, stored) != names.end();
}

// Grey formats keep their values: gray10le stays 0 to 1023.
Format format_of(const std::string& stored, std::int64_t height, std::int64_t width) {
  Format format;
  format.spec.dtype = DType::u8;
  format.spec.shape = {height, width};
  if (stored == "gray" || stored == "monow" || stored == "monob") {
    format.ffmpeg_name = "gray";
  } else if (deep_grey(stored)) {
    format.ffmpeg_name = stored.substr(0, stored.size() - 2) + "le";
    format.spec.dtype = DType::u16;
  } else {
    format.ffmpeg_name = "rgb24";
    format.spec.shape = {height, width, 3};
  }
  return format;
}

// All that a program prints. `file:` keeps a name from being an option or another protocol.
Result<std::string> ask_ffprobe(const std::string& path) {
  auto probe = Process::start({"ffprobe", "-v", "error", "-select_streams", "v:0", "-show_streams",
                               "-of", "json", "file:" + path},
                              package);
  if (!probe) return fail(std::move(probe.error()));
  std::string text;
  std::array<std::byte, 16384> some{};
  while (true) {
    const auto got = probe->read(some);
    if (!got) return fail(got.error());
    if (*got == 0) break;
    text.append(static_cast<const char*>(static_cast<const void*>(some.data())), *got);
    if (text.size() > probe_limit_bytes) return broken(path, "ffprobe says too much");
  }
  if (const std::string how = probe->how_it_failed(); !how.empty()) {
    return broken(path,
                  fmt::format("no video: ffprobe ended with {}: {}", how, probe->last_words()));
  }
  return text;
}

Result<Format> probe(const std::string& path) {
  auto text = ask_ffprobe(path);
  if (!text) return fail(std::move(text.error()));
  const Json answer = Json::parse(*text, nullptr, false);
  const auto streams = answer.is_object() ? answer.find("streams") : answer.end();
  if (!answer.is_object() || streams == answer.end() || !streams->is_array())
    return broken(path, "ffprobe's answer is not what was asked for");
  if (streams->empty() || !streams->front().is_object())
    return broken(path, "the file holds no video stream");
  const Json& stream = streams->front();
  const auto stored = stream.find("pix_fmt");
  if (stored == stream.end() || !stored->is_string())
    return broken(path, "ffprobe does not know how its pixels are stored");
  Format format = format_of(stored->get<std::string>(), number_of(stream, "height"),
                            number_of(stream, "width"));
  if (const auto bytes = payload_bytes(format.spec); !bytes)
    return broken(path, bytes.error().message());
  format.rate_hz = rate_of(stream, "avg_frame_rate");
  if (format.rate_hz == 0) format.rate_hz = rate_of(stream, "r_frame_rate");
  return format;
}

Result<Process> start_decoder(const std::string& path, const Format& format) {
  return Process::start(
      {"ffmpeg", "-nostdin", "-v", "error", "-xerror", "-noautorotate", "-i", "file:" + path,
       "-map", "0:v:0", "-fps_mode", "passthrough",
       // Frames of another size than ffprobe told would be cut in the wrong places.
       "-s", fmt::format("{}x{}", format.spec.shape[1], format.spec.shape[0]), "-f", "rawvideo",
       "-pix_fmt", format.ffmpeg_name, "pipe:1"},
      package);
}

class VideoSource final : public Source {
 public:
  VideoSource(std::string path, Format format, Process decoder)
      : path_(std::move(path)), format_(std::move(format)), decoder_(std::move(decoder)) {}
  std::size_t size() const override { return 0; }
  TensorSpec spec(std::size_t /*index*/) const override { return format_.spec; }
  double rate_hz() const override { return format_.rate_hz; }
  Result<std::span<const std::byte>> frame(std::size_t /*index*/) override {
    return fail(Code::unsupported, "VideoSource::frame",
                fmt::format("'{}' can only be read frame after frame", path_));
  }
  Result<bool> fill(std::size_t index, std::span<std::byte> out) override;
  Result<bool> rewind() override;

 private:
  std::string path_;
  Format format_;
  Process decoder_;
  std::size_t decoded_ = 0;  // since the start of the file
};

Result<bool> VideoSource::fill(std::size_t /*index*/, std::span<std::byte> out) {
  std::size_t have = 0;
  while (have < out.size()) {
    const auto got = decoder_.read(out.subspan(have));
    if (!got) {
      // A signal ends the source, also inside a frame: nobody is told of that one.
      if (got.error().code() == Code::closed) return false;
      return fail(got.error());
    }
    if (*got == 0) break;
    have += *got;
  }
  if (have == out.size()) {
    ++decoded_;
    return true;
  }
  const std::string how = decoder_.how_it_failed();
  if (how.empty() && have == 0) return false;
  const std::string words = decoder_.last_words();
  return fail(
      Code::invalid_file, "VideoSource::fill",
      fmt::format("'{}': ffmpeg ended with {} after {} whole frames{}{}{}", path_,
                  how.empty() ? "exit code 0" : how, decoded_,
                  have == 0 ? "" : fmt::format(" and {} of {} bytes of one more", have, out.size()),
                  words.empty() ? "" : ": ", words));
}

Result<bool> VideoSource::rewind() {
  if (decoded_ == 0) return false;  // nothing would come again and again
  auto decoder = start_decoder(path_, format_);
  if (!decoder) return fail(std::move(decoder.error()));
  decoder_ = std::move(*decoder);
  decoded_ = 0;
  return true;
}

}  // namespace

bool is_video_name(const std::string& name) {
  static constexpr std::array<const char*, 16> endings{
      ".mp4", ".m4v", ".mov",  ".mkv", ".webm", ".avi", ".mpg", ".mpeg",
      ".ts",  ".mts", ".m2ts", ".ogv", ".wmv",  ".flv", ".y4m", ".gif"};
  const std::size_t dot = name.rfind('.');
  return dot != std::string::npos && std::ranges::any_of(endings, [&](const char* ending) {
           return strcasecmp(name.c_str() + dot, ending) == 0;
         });
}

Result<std::unique_ptr<Source>> open_video(const std::string& path) {
  auto format = probe(path);
  if (!format) return fail(std::move(format.error()));
  auto decoder = start_decoder(path, *format);
  if (!decoder) return fail(std::move(decoder.error()));
  return std::make_unique<VideoSource>(path, std::move(*format), std::move(*decoder));
}

}  // namespace tensorpool::sources
