// What several threads print on one terminal: every line whole and on a line of its own.
#include "tp/output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tensorpool::cli {
namespace {

// What a terminal shows of the few things that are sent to it here: the lines that are done.
std::vector<std::string> lines_shown(const std::string& sent) {
  const std::string erase = "\x1b[K";
  std::vector<std::string> lines;
  std::string line;
  std::size_t column = 0;
  for (std::size_t at = 0; at < sent.size(); ++at) {
    if (sent[at] == '\r') {
      column = 0;
    } else if (sent[at] == '\n') {
      lines.push_back(std::exchange(line, {}));
    } else if (sent.compare(at, erase.size(), erase) == 0) {
      line.resize(column);
      at += erase.size() - 1;
    } else {
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = sent[at];
    }
  }
  return lines;
}

// Standard output is a terminal of this test's own while this lives.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), kept_(::dup(STDOUT_FILENO)) {
    std::array<char, 128> name{};
    if (::grantpt(master_) != 0 || ::unlockpt(master_) != 0 ||
        ::ptsname_r(master_, name.data(), name.size()) != 0)
      throw std::runtime_error("no terminal");
    const int slave = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    std::fflush(stdout);
    if (slave < 0 || ::dup2(slave, STDOUT_FILENO) < 0) throw std::runtime_error("no terminal");
    ::close(slave);
    reader_ = std::thread([this] {
      std::array<char, 4096> bytes{};
      for (ssize_t got = 0; (got = ::read(master_, bytes.data(), bytes.size())) > 0;)
        text_.append(bytes.data(), static_cast<std::size_t>(got));
    });
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() { (void)end(); }
  // All that was written there. Standard output is what it was before.
  std::string end() {
    if (reader_.joinable()) {
      std::fflush(stdout);
      ::dup2(kept_, STDOUT_FILENO);  // the last of the other side
      reader_.join();
      ::close(kept_);
      ::close(master_);
    }
    return text_;
  }

 private:
  int master_;
  int kept_;
  std::thread reader_;
  std::string text_;
};

TEST(Output, of_several_threads_never_meets_on_a_line) {
  constexpr int count = 5'000;
  Terminal terminal;
  ASSERT_TRUE(on_terminal());
  std::atomic<bool> over{false};
  const auto replaced = [&] {
    while (!over) {
      print_live("a line that the next one replaces");
      std::this_thread::yield();  // a mutex does not ask who waits
    }
  };
  std::thread live(replaced);
  std::thread also_live(replaced);
  std::thread second([&] {
    for (int i = 0; i < count; ++i) print_line("other " + std::to_string(i));
  });
  for (int i = 0; i < count; ++i) print_line("mine " + std::to_string(i));
  second.join();
  over = true;
  live.join();
  also_live.join();
  print_line("end");
  int mine = 0;
  int other = 0;
  const std::vector<std::string> lines = lines_shown(terminal.end());
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "end");
  for (std::size_t k = 0; k + 1 < lines.size(); ++k) {
    int& next = lines[k].starts_with("mine") ? mine : other;
    ASSERT_EQ(lines[k], (&next == &mine ? "mine " : "other ") + std::to_string(next)) << k;
    ++next;
  }
  EXPECT_EQ(mine, count);
  EXPECT_EQ(other, count);
}

}  // namespace
}  // namespace tensorpool::cli
