// A bounded list of what is wrong. Internal to config.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::config {

class Problems {
 public:
  void add(std::string line) {
    ++count_;
    if (lines_.size() < base::limits::config_problems) lines_.push_back(std::move(line));
  }
  bool empty() const noexcept { return count_ == 0; }

  // One problem per line, and how many more there were.
  std::vector<std::string> take() {
    if (count_ > lines_.size())
      lines_.push_back(fmt::format("and {} more of the kind", count_ - lines_.size()));
    return std::move(lines_);
  }

  Error error(const char* call) {
    std::string text;
    for (const std::string& line : take()) {
      if (!text.empty()) text += '\n';
      text += line;
    }
    return {Code::invalid_argument, call, std::move(text)};
  }

 private:
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

}  // namespace tensorpool::config
