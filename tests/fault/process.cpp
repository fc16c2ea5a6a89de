#include "fault/process.hpp"

#include <sys/wait.h>

#include <vector>

namespace tensorpool::fault {
namespace {

std::vector<std::string> arguments(const char* role, const Setting& s, std::uint64_t sender,
                                   const Fault& fault) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  return {std::string("role=") + role,
          "aeron=" + s.aeron_dir,
          "base=" + s.base_dir,
          "space=" + s.space,
          "stream=" + number(s.stream),
          "slots=" + number(s.slots),
          "sender=" + number(sender),
          "term=" + s.term,
          "ports=" + number(s.ports),
          "control=" + std::to_string(s.control),
          "mode=" + number(s.file_mode),
          "user=" + number(s.user),
          "group=" + number(s.group),
          "owner=" + number(s.owner),
          "forbidden=" + number(s.forbidden),
          "point=" + fault.point,
          "visit=" + number(fault.visit),
          "signal=" + std::to_string(fault.signal),
          "when=" + fault.when};
}

}  // namespace

Peer::Peer(const char* role, const Setting& setting, std::uint64_t sender, const Fault& fault)
    : Child("fault_peer", arguments(role, setting, sender, fault)) {}

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
