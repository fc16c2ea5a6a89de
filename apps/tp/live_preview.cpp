#include "tp/live_preview.hpp"

#include <cstdlib>

#include "tp/output.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

namespace {

constexpr std::int64_t period_ns = 100'000'000;
constexpr const char* hide_cursor = "\x1b[?25l";
constexpr const char* show_cursor = "\x1b[0m\x1b[?25h\n";
// Rows that the picture leaves: the line below it, and the summary's.
constexpr int rows_left = 3;

const char* locale_word() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return value;
  }
  return nullptr;
}

}  // namespace

LivePreview::LivePreview()
    : terminal_(on_terminal()),
      shades_(terminal_ ? shades_of({std::getenv("NO_COLOR"), std::getenv("COLORTERM"),
                                     std::getenv("TERM"), locale_word()})
                        : Shades::letters) {
  if (!terminal_) return;
  last_output(show_cursor);
  print_raw(hide_cursor);
}

LivePreview::~LivePreview() {
  if (!terminal_) return;
  print_raw("\x1b[0m\x1b[?25h");
  last_output(nullptr);
}

bool LivePreview::due(std::int64_t now_ns) const noexcept {
  return !shown_ || (terminal_ && now_ns - shown_ns_ >= period_ns);
}

Result<void> LivePreview::show(const FrameInfo& info, std::span<const std::byte> copy,
                               std::string_view status, std::int64_t now_ns) {
  const TerminalSize size = terminal_size();
  // The last column stays free: a full line would leave some terminals on the next one.
  const auto text = render(info, copy, {size.columns - 1, size.rows - rows_left, shades_});
  if (!text) return fail(text.error());
  print_picture(*text, status);
  shown_ = true;
  shown_ns_ = now_ns;
  return {};
}

}  // namespace tensorpool::cli
