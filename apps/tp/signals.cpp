#include "tp/signals.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

namespace tensorpool::cli {

namespace {
std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "written by a signal handler");
std::atomic<const char*> last_text{nullptr};
static_assert(std::atomic<const char*>::is_always_lock_free, "read by a signal handler");

void on_signal(int number) {
  if (stop.exchange(true)) {
    // The first one was not honoured quickly enough for whoever asks twice.
    if (const char* text = last_text.load(std::memory_order_relaxed); text != nullptr)
      (void)!::write(STDOUT_FILENO, text, std::strlen(text));
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}
}  // namespace

void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // blocking reads return, so that a pipe does not keep the program
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD,
              SIG_DFL);  // inherited as ignored, it would take our children's exit codes away
}

bool stop_requested() noexcept { return stop.load(std::memory_order_relaxed); }
void request_stop() noexcept { stop.store(true, std::memory_order_relaxed); }

void last_output(const char* text) noexcept { last_text.store(text, std::memory_order_relaxed); }

}  // namespace tensorpool::cli
