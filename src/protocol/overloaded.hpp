// A visitor made of lambdas, for std::visit over actions.
#pragma once

namespace tensorpool::protocol {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace tensorpool::protocol
