#include "wire/text.hpp"

namespace tensorpool::wire {

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string safe(text.substr(0, max_bytes));
  for (char& character : safe) {
    if (character < 0x20 || character > 0x7E) character = '?';
  }
  return safe;
}

}  // namespace tensorpool::wire
