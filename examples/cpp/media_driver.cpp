// An Aeron media driver of one's own: what producers and consumers meet at. Runs until Ctrl-C.
#include <unistd.h>

#include "support.hpp"

namespace tp = tensorpool;

int main(int argc, char** argv) {
  return example::run(argc, argv, [](const example::Arguments&) {
    // SIGINT and SIGTERM are let in by sigsuspend only, so that none comes just before the wait.
    sigset_t mask;
    sigset_t during;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, &during);

    auto driver = tp::MediaDriver::launch().value();  // in AERON_DIR, or Aeron's default
    std::printf("media driver in %s\n", driver.aeron_dir().c_str());
    std::fflush(stdout);
    while (!example::stopped()) sigsuspend(&during);
    return true;
  });
}
