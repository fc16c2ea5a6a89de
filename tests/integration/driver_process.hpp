// tp_driver as a process of its own, seen from a test: its configuration, its log, its end.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace tensorpool::integration {

// Key paths and their values as TOML: {"driver.control_stream_id", "4000"}.
using Keys = std::map<std::string, std::string>;

// The text of a file with these keys, in the dotted form of TOML.
std::string file_of(const Keys& keys);
// A string as a value of a key.
std::string quoted(const std::string& text);

// Killed and reaped with the object, whatever happens. One thread.
class DriverProcess {
 public:
  // Starts the tp_driver that lies beside this program, with none of the variables that it reads;
  // its log (JSON) goes to `path`.log. Throws when there is no process to be had.
  DriverProcess(const std::string& path, const Keys& keys);
  DriverProcess(const DriverProcess&) = delete;
  DriverProcess& operator=(const DriverProcess&) = delete;
  ~DriverProcess();

  pid_t pid() const noexcept { return pid_; }
  // What it said so far.
  std::string log() const;
  // Whether its log has the event by now.
  bool told(const std::string& event) const;
  bool ended();
  void signal(int number) const;
  // Waits for the end; the exit code, or -1 when it does not end or was killed.
  int exit_code();

 private:
  const std::string log_path_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace tensorpool::integration
