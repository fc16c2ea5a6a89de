// What tp_driver prints before there is a log: results on standard output, complaints on standard error.
#pragma once

#include <string>
#include <string_view>

#include "tensorpool/error.hpp"

namespace tensorpool::driver_program {

// As it is, and flushed; false when nobody takes it.
bool print(std::string_view text);
// Every line on standard error, as "tp_driver: line".
void complain(std::string_view text);
void complain(const Error& error);

// One line for a terminal or a log, whatever a peer put into it: control characters become "\x1b".
std::string printable(std::string_view text);

}  // namespace tensorpool::driver_program
