// SIGINT and SIGTERM ask the driver to drain; a second one ends the wait (04-driver.md, A12).
#pragma once

namespace tensorpool::driver_program {

// Counts SIGINT and SIGTERM, of which a third kills, and ignores SIGPIPE. Call once, before threads.
void catch_signals();
// How many came so far.
unsigned signals_seen() noexcept;

}  // namespace tensorpool::driver_program
