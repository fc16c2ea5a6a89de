// Where USER is not set, Aeron asks the system for the user's name into a static buffer, whenever a
// context is made or the default path asked for. Clients and media drivers of one process do that
// in threads of their own, so they take turns. Cold paths only. No fork falls in between: a child, which
// may make clients of its own, never finds the turn taken.
#pragma once

#include <mutex>

#include "base/fork.hpp"

namespace tensorpool::transport::aeron {

// Does a call that ends in aeron_default_path().
template <class Call>
auto with_user_name(Call&& call) {
  const std::lock_guard lock(base::fork_mutex());
  return call();
}

}  // namespace tensorpool::transport::aeron
