// A transport with fault points inside what is sent and heard on control and announce streams, whose ids are
// those with at most 1 behind the thousands (1000, 1001, 2000, …). Everything else, the links of ports above
// all, is passed through as it is.
#pragma once

#include <memory>

#include "transport/transport.hpp"

namespace tensorpool::fault {

std::unique_ptr<transport::Transport> make_faulty(std::unique_ptr<transport::Transport> inner);

}  // namespace tensorpool::fault
