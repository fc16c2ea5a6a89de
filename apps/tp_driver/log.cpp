#include "tp_driver/log.hpp"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <nlohmann/json.hpp>

#include "tp_driver/output.hpp"

namespace tensorpool::driver_program {
namespace {

spdlog::level::level_enum of_spdlog(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::trace:
      break;
  }
  return spdlog::level::trace;
}

// The members of an object without its braces: time and level come before them.
std::string json_members(std::string_view event, std::string_view text, LogNumbers numbers) {
  nlohmann::ordered_json members = {{"event", event}};
  for (const auto& [name, value] : numbers) {
    if (value != 0) members[std::string(name)] = value;
  }
  if (!text.empty()) members["text"] = text;
  const std::string object =
      members.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  return object.substr(1, object.size() - 2);
}

std::string text_line(std::string_view event, std::string_view text, LogNumbers numbers) {
  std::string line(event);
  for (const auto& [name, value] : numbers) {
    if (value != 0) line += fmt::format(" {}={}", name, value);
  }
  return text.empty() ? line : line + ": " + printable(text);
}

}  // namespace

std::optional<LogLevel> log_level(std::string_view text) noexcept {
  if (text.size() != 1 || text[0] < '0' || text[0] > '4') return std::nullopt;
  return static_cast<LogLevel>(text[0] - '0');
}

struct Log::Impl {
  LogFormat format;
  std::shared_ptr<spdlog::details::thread_pool> thread;
  std::shared_ptr<spdlog::async_logger> logger;
};

Log::Log(LogFormat format, LogLevel level) : impl_(std::make_unique<Impl>()) {
  impl_->format = format;
  impl_->thread = std::make_shared<spdlog::details::thread_pool>(waiting_lines, 1);
  impl_->logger = std::make_shared<spdlog::async_logger>(
      "tp_driver", std::make_shared<spdlog::sinks::stderr_sink_mt>(), impl_->thread,
      spdlog::async_overflow_policy::overrun_oldest);
  impl_->logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                                : "%Y-%m-%dT%H:%M:%S.%fZ %l %v",
      spdlog::pattern_time_type::utc));
  impl_->logger->set_level(of_spdlog(level));
  impl_->logger->flush_on(spdlog::level::trace);
}

Log::~Log() {
  if (const std::size_t lost = impl_->thread->overrun_counter(); lost > 0)
    line(LogLevel::warn, "log_lines_lost", "nobody read the log fast enough", {{"lines", lost}});
}

void Log::line(LogLevel level, std::string_view event, std::string_view text, LogNumbers numbers) {
  const auto at = of_spdlog(level);
  if (!impl_->logger->should_log(at)) return;
  impl_->logger->log(at, impl_->format == LogFormat::json ? json_members(event, text, numbers)
                                                          : text_line(event, text, numbers));
}

}  // namespace tensorpool::driver_program
