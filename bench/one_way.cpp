#include "one_way.hpp"

namespace tensorpool::bench {

Books books_of(const Board& board, std::uint32_t lanes) {
  Books books;
  for (std::uint32_t i = 0; i < lanes; ++i) {
    const Lane& lane = board.lanes[i];
    books.delivered += lane.delivered;
    books.overwritten += lane.overwritten;
    books.lost += lane.lost;
    books.skipped += lane.skipped;
    books.wrong += lane.wrong;
  }
  return books;
}

Books difference(const Books& after, const Books& before) {
  return {after.sent - before.sent,
          after.refused - before.refused,
          after.late - before.late,
          after.delivered - before.delivered,
          after.overwritten - before.overwritten,
          after.lost - before.lost,
          after.skipped - before.skipped,
          after.wrong - before.wrong};
}

}  // namespace tensorpool::bench
