// What several rounds say together, and when they say nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace tensorpool::bench {

// A figure over rounds. With fewer than four rounds the quartiles are the lowest and highest round.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
  double lower_quartile = 0;
  double upper_quartile = 0;
};

namespace detail {
// Of sorted values, between neighbours linearly.
inline double quantile(const std::vector<double>& sorted, double at) {
  const double place = at * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}
}  // namespace detail

inline Spread spread(std::vector<double> rounds) {
  if (rounds.empty()) return {};
  std::sort(rounds.begin(), rounds.end());
  const bool few = rounds.size() < 4;
  return {detail::quantile(rounds, 0.5), rounds.front(), rounds.back(),
          few ? rounds.front() : detail::quantile(rounds, 0.25),
          few ? rounds.back() : detail::quantile(rounds, 0.75)};
}

// How far the middle half of the rounds may lie apart, as a fraction of the median, before a figure
// counts as noisy: a tail is made of few samples, so that it may move more.
constexpr double steady_body = 0.10;
constexpr double steady_tail = 0.50;

inline bool noisy(const Spread& s, bool tail) {
  const double allowed = (tail ? steady_tail : steady_body) * s.median;
  return s.upper_quartile - s.lower_quartile > allowed;
}

// What the rounds say of two contenders, from the quotients a/b of rounds that ran side by side.
// `less` and `more`: the middle half of the rounds agrees. `noisy`: it does not, so this run cannot
// tell them apart. `too_few`: one round says nothing of the next.
enum class Verdict { less, more, noisy, too_few };

inline Verdict verdict(const std::vector<double>& quotients) {
  if (quotients.size() < 2) return Verdict::too_few;
  const Spread s = spread(quotients);
  if (s.upper_quartile < 1) return Verdict::less;
  if (s.lower_quartile > 1) return Verdict::more;
  return Verdict::noisy;
}

inline const char* name(Verdict verdict) {
  switch (verdict) {
    case Verdict::less:
      return "less";
    case Verdict::more:
      return "more";
    case Verdict::noisy:
      return "noisy";
    case Verdict::too_few:
      break;
  }
  return "too few rounds";
}

}  // namespace tensorpool::bench
