#include "fault/process.hpp"

#include <sys/wait.h>

namespace tensorpool::fault {

Peer::Peer(const char* role, const Setting& setting, std::uint64_t sender, const Fault& fault)
    : Child("fault_peer", {role, setting.aeron_dir, setting.base_dir, setting.space,
                           std::to_string(setting.stream), std::to_string(setting.slots),
                           std::to_string(sender), setting.term, fault.point,
                           std::to_string(fault.visit), std::to_string(fault.signal), fault.when}) {
}

bool Peer::ready() {
  const std::string line = read_line();
  return !line.empty() && line.rfind("refused", 0) != 0;
}

std::string Peer::refusal() {
  const std::string line = read_line();
  if (line.rfind("refused", 0) != 0) return {};
  const int status = reap();
  return WIFEXITED(status) && WEXITSTATUS(status) == 3 ? line : std::string();
}

bool Peer::struck_by(int signal) {
  int status = 0;
  if (!changed(status)) return false;
  if (WIFSTOPPED(status)) return WSTOPSIG(status) == signal;
  return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

}  // namespace tensorpool::fault
