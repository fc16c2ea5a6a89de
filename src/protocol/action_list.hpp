// What a core wants done, in order. Bounded: a step never asks for more than a handful of things.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace tensorpool::protocol {

template <class Action>
class ActionList {
 public:
  static constexpr std::size_t capacity = 16;

  template <class A>
  void add(A action) {
    TP_ASSERT(actions_.size() < capacity);
    actions_.emplace_back(std::move(action));
  }
  bool empty() const noexcept { return actions_.empty(); }
  std::size_t size() const noexcept { return actions_.size(); }
  // Hands over everything and is empty afterwards.
  std::vector<Action> take() { return std::exchange(actions_, {}); }

 private:
  std::vector<Action> actions_;
};

}  // namespace tensorpool::protocol
