// Instructions per frame, counted by callgrind in a program of its own (counted.cpp).
#pragma once

#include <cstdint>
#include <string>

#include "stage.hpp"

namespace tensorpool::bench {

struct Instructions {
  double producer = 0;             // claim + commit
  double consumer_ten = 0;         // poll with a limit of 10, ten frames waiting, per frame
  double consumer_one = 0;         // poll with a limit of 1, frames waiting, per frame
  double consumer_single = 0;      // poll that finds one frame and no more, whatever its limit
  double producer_two_shapes = 0;  // as `producer` and `consumer_ten`, two shapes in turns
  double consumer_two_shapes = 0;
  double producer_bell = 0;  // as `producer`, with wake_waiters, and nobody who ever slept
  double claim = 0;          // the halves of `producer`
  double commit = 0;
  double poll = 0;             // of `consumer_one`: up to the handler
  double proof = 0;            // and from its end on
  std::uint64_t frames = 0;    // counted, each
  std::string why_not;         // not empty: nothing was counted, and why
  std::string profile_folder;  // where the profiles are kept; empty: nowhere
};

// Runs `program` under valgrind. `keep`: a folder to copy callgrind's profiles to, or empty. `waste`:
// instructions added to every counted call, for the test of the gate.
Instructions count_instructions(const Stage& stage, const std::string& program, bool quick,
                                const std::string& keep, std::uint64_t waste = 0);

}  // namespace tensorpool::bench
