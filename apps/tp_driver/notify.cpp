#include "tp_driver/notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "tp_driver/output.hpp"

namespace tensorpool::driver_program {

ServiceManager::ServiceManager(const config::Environment& environment) {
  if (const auto found = environment.find("NOTIFY_SOCKET"); found != environment.end())
    socket_ = found->second;
}

Result<void> ServiceManager::tell(std::string_view lines) const {
  if (!present()) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((socket_[0] != '/' && socket_[0] != '@') || socket_.size() < 2 ||
      socket_.size() >= sizeof address.sun_path) {
    return fail(Code::invalid_argument, "notify",
                fmt::format("NOTIFY_SOCKET='{}' must be a path or @name of at most {} bytes",
                            printable(socket_), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());

  const int id = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (id < 0) return fail(Error::system("notify", errno, "socket"));
  const ssize_t sent = ::sendto(id, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&address), size);
  const int error = errno;
  ::close(id);
  if (sent < 0) return fail(Error::system("notify", error, "NOTIFY_SOCKET=" + printable(socket_)));
  return {};
}

}  // namespace tensorpool::driver_program
