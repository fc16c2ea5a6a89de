#include "demo/judge.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace tensorpool::demo {

namespace {

using cli::Json;

void judge_client(Role role, const Json& summary, std::vector<std::string>& reasons) {
  const auto say = [&](std::string_view what) {
    reasons.push_back(fmt::format("{}: {}", name(role), what));
  };
  if (!summary.is_object()) return say("no summary");
  if (!summary["balanced"].get<bool>()) say("the books do not balance");
  if (summary[produces(role) ? "published" : "delivered"].get<std::uint64_t>() == 0)
    say("no frame");
  if (produces(role)) return;
  if (summary["mismatched"].get<std::uint64_t>() != 0)
    say("a frame that was called whole was not the source's");
  if (summary["equal"] != summary["delivered"]) say("not every delivered frame was compared");
  if (role == Role::slow_consumer && summary["overwritten"].get<std::uint64_t>() == 0)
    say("nothing was overwritten, though it was slow on purpose");
}

}  // namespace

std::vector<std::string> judge(const std::vector<Child>& children, const std::vector<int>& codes) {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (codes[i] != 0) reasons.push_back(fmt::format("{}: exit code {}", name(role), codes[i]));
    if (is_client(role)) judge_client(role, children[i].summary(), reasons);
  }
  return reasons;
}

}  // namespace tensorpool::demo
