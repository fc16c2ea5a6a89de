#include "tp/news.hpp"

#include <fmt/format.h>

#include <utility>

#include "tp/json.hpp"

namespace tensorpool::cli {

bool told(std::string_view text) {
  static std::mutex mutex;
  static std::string last;
  const std::lock_guard lock(mutex);
  if (text == last) return true;
  last = text;
  return false;
}

void News::tell(const Notice& notice) {
  switch (notice.kind) {
    case NoticeKind::connected:
    case NoticeKind::connection_lost:
      return tell_connection(notice);
    case NoticeKind::attached:
    case NoticeKind::attach_failed:
    case NoticeKind::lease_lost:
      return tell_lease(notice);
    case NoticeKind::announce_rejected:  // why a stream that is announced does not become active
    case NoticeKind::error:
    case NoticeKind::back_pressure:
      if (!told(notice.text)) print_error(notice.text);
      return;
    case NoticeKind::mapped:
    case NoticeKind::unmapped:
      return;
  }
}

void News::tell_connection(const Notice& notice) {
  const bool connected = notice.kind == NoticeKind::connected;
  const std::lock_guard lock(mutex_);
  if (connected) aeron_dir_ = notice.text;
  if (connected && !std::exchange(lost_, false)) return;  // the first one is nothing to tell
  lost_ = !connected;
  if (json_) {
    print_json({{"kind", "connection"},
                {"event", connected ? "connected" : "lost"},
                {"text", std::string(notice.text)}});
  } else {
    print_error(connected
                    ? fmt::format("connected to the media driver of {} again", notice.text)
                    : fmt::format("lost the media driver: {}; connecting again", notice.text));
  }
}

// The library's words name neither the endpoint nor what to do on a command line.
std::string News::failure(std::string_view text) const {
  if (!text.starts_with("attach: timeout")) return std::string(text);
  return fmt::format(
      "no driver answered on control stream {} of {}: start tp_driver there, or use --mode direct",
      control_stream_, aeron_dir_);
}

void News::tell_lease(const Notice& notice) {
  const std::lock_guard lock(mutex_);
  Json json{{"kind", "lease"}, {"event", ""}, {"stream", notice.stream_id}};
  std::string text;
  switch (notice.kind) {
    case NoticeKind::attached:
      json["event"] = "attached";
      json["epoch"] = notice.epoch;
      json["again"] = attached_once_;
      text = fmt::format("attached to stream {}{}: epoch {}", notice.stream_id,
                         attached_once_ ? " again" : "", notice.epoch);
      attached_once_ = true;
      trouble_.clear();
      break;
    case NoticeKind::attach_failed:
      trouble_ = failure(notice.text);
      json["event"] = "attach_failed";
      json["text"] = trouble_;
      text = trouble_ + "; trying again";
      break;
    default:
      trouble_ = fmt::format("lost the lease of stream {} ({}): {}", notice.stream_id,
                             name(notice.lease_end), notice.text);
      json["event"] = "lost";
      json["epoch"] = notice.epoch;
      json["why"] = name(notice.lease_end);
      json["text"] = std::string(notice.text);
      text = trouble_ + "; reattaching";
  }
  if (json_) return print_json(json);
  if (notice.kind == NoticeKind::attached) return print_line(text);
  print_error(text);
}

std::string News::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

std::string News::media_driver_hint() const {
  if (mode_ == Mode::direct) return {};
  return "; tp_driver brings one: start it there, or use --mode direct";
}

Error News::explained(Error error) const {
  const std::string why = trouble();
  if (error.code() == Code::timeout && !why.empty()) return {Code::timeout, "attach", why};
  if (error.code() == Code::no_media_driver && mode_ == Mode::driver) {
    std::string text = error.message();
    const std::string prefix = "Pending::wait: no_media_driver: ";
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
    return {Code::no_media_driver, "connect", text + media_driver_hint()};
  }
  return error;
}

}  // namespace tensorpool::cli
