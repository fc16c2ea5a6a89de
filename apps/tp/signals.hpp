// Ctrl-C and SIGTERM ask a program to end; it then says what it did and leaves.
#pragma once

namespace tensorpool::cli {

// Catches SIGINT and SIGTERM (a second one kills) and ignores SIGPIPE. Call once, before threads.
void catch_signals();
bool stop_requested() noexcept;
// The same as a signal, from inside.
void request_stop() noexcept;
// Written to standard output when a second signal ends the program before it could restore the
// terminal; a string literal, or null for nothing.
void last_output(const char* text) noexcept;

}  // namespace tensorpool::cli
