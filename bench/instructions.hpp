// Instructions per frame, counted by callgrind in a program of its own (counted.cpp).
#pragma once

#include <cstdint>
#include <string>

#include "stage.hpp"

namespace tensorpool::bench {

struct Instructions {
  double producer = 0;         // claim + commit
  double consumer_ten = 0;     // poll with a limit of 10, ten frames waiting, per frame
  double consumer_one = 0;     // poll with a limit of 1, per frame
  std::uint64_t frames = 0;    // counted, each
  std::string why_not;         // not empty: nothing was counted, and why
  std::string profile_folder;  // where the profiles are kept; empty: nowhere
};

// Runs `program` under valgrind. `keep`: a folder to copy callgrind's profiles to, or empty.
Instructions count_instructions(const Stage& stage, const std::string& program, bool quick,
                                const std::string& keep);

}  // namespace tensorpool::bench
