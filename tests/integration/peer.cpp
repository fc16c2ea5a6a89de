#include "integration/peer.hpp"

#include <csignal>
#include <stdexcept>
#include <string>

namespace tensorpool::integration {

Peer::Peer(const char* role, const test::Places& folder, std::uint32_t stream, std::uint32_t slots)
    : Child("stream_peer", {role, folder.aeron(), folder.regions(), std::to_string(stream),
                            std::to_string(slots)}) {
  if (read_line().empty()) throw std::runtime_error(std::string(role) + " did not start");
}

void Peer::kill() {
  signal(SIGKILL);
  (void)reap();
}

void Peer::pause() {
  int status = 0;
  signal(SIGSTOP);
  if (!changed(status)) throw std::runtime_error("a peer did not stop");
}

void Peer::resume() { signal(SIGCONT); }

}  // namespace tensorpool::integration
