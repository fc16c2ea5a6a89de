#include "one_way.hpp"

namespace tensorpool::bench {

Books books_of(const Board& board, std::uint32_t first_lane, std::uint32_t lanes) {
  Books books;
  for (std::uint32_t i = first_lane; i < first_lane + lanes; ++i) {
    const Lane& lane = board.lanes[i];
    books.delivered += lane.delivered;
    books.overwritten += lane.overwritten;
    books.lost += lane.lost;
    books.skipped += lane.skipped;
    books.wrong += lane.wrong;
  }
  return books;
}

Outcome outcome_of(const Board& board) {
  Outcome outcome;
  outcome.books = board.books;
  outcome.remark = board.remark.data();
  return outcome;
}

}  // namespace tensorpool::bench
