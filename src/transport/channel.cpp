#include "transport/channel.hpp"

#include "transport/transport.hpp"

namespace tensorpool::transport {
namespace {

bool names(const std::string& channel, const std::string& name) {
  const std::size_t start = channel.find('?');
  if (start == std::string::npos) return false;
  const std::string wanted = name + "=";
  for (std::size_t at = start + 1; at < channel.size();) {
    if (channel.compare(at, wanted.size(), wanted) == 0) return true;
    at = channel.find('|', at);
    if (at == std::string::npos) return false;
    ++at;
  }
  return false;
}

std::string publication_channel(const std::string& channel, const char* term_length) {
  std::string result = with_parameter(channel, "term-length", term_length);
  if (result.compare(0, 9, "aeron:ipc") != 0) return result;
  // A laggard counts against the publisher until both are over, and from where that begins a 16 MiB term
  // lasts for 110 ms at 100,000 descriptors a second (docs/internals/aeron-facts.md).
  result = with_parameter(result, "untethered-window-limit-timeout", "20ms");
  result = with_parameter(result, "untethered-linger-timeout", "20ms");
  return with_parameter(result, "untethered-resting-timeout", "100ms");
}

}  // namespace

std::string with_parameter(const std::string& channel, const std::string& name,
                           const std::string& value) {
  if (names(channel, name)) return channel;
  if (channel.find('?') == std::string::npos) return channel + "?" + name + "=" + value;
  const bool open_end = channel.back() == '?' || channel.back() == '|';
  return channel + (open_end ? "" : "|") + name + "=" + value;
}

std::string control_channel(const std::string& channel) {
  return publication_channel(channel, "1m");
}
std::string descriptor_channel(const std::string& channel) {
  return publication_channel(channel, "16m");
}

}  // namespace tensorpool::transport
