#include "transport/aeron/media_driver.hpp"

#include <aeronc.h>
#include <aeronmd.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/cnc.hpp"
#include "transport/aeron/media_driver_thread.hpp"
#include "transport/aeron/user_name.hpp"

namespace tensorpool::transport::aeron {
namespace {

constexpr const char* launch_call = "MediaDriver::launch";

// A media driver whose process lives and that was silent for less than this is paused, not dead.
constexpr base::Nanos paused_ns = 10'000'000'000;

Error driver_error(std::string_view what) {
  const int number = aeron_errcode();
  return Error(Code::transport_error, launch_call,
               fmt::format("{}: {} (Aeron error {})", what, aeron_errmsg(), number));
}

// Only one process may go from "no live media driver" to "started" at a time: the check and the
// start are two steps. The lock file lies beside the directory, names its holder, is removed by it
// and dies with it. An flock and not an F_SETLK lock, because two launches may race inside one process
// too. A child that is forked during a launch inherits it, and keeps it until it ends or calls exec;
// that holds up nobody, because the name goes before the descriptor does, and another launch makes a
// file of its own. Only where the launching process is killed in these moments the child is in the way.
class StartLock {
 public:
  explicit StartLock(const std::string& directory) : path_(directory + ".starting") {}
  StartLock(const StartLock&) = delete;
  StartLock& operator=(const StartLock&) = delete;
  ~StartLock() {
    if (held_) (void)::unlink(path_.c_str());
    if (fd_ >= 0) ::close(fd_);
  }

  enum class Outcome { held, busy, failed };
  // With `failed`, errno says why.
  Outcome take() noexcept {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd_ < 0) return Outcome::failed;
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? Outcome::busy : Outcome::failed;
    }
    // The file may have been removed by its last holder between open and flock: then this is the
    // lock of a file that nobody else will ever open, and another launch is under way.
    struct stat mine{};
    struct stat named{};
    if (::fstat(fd_, &mine) != 0) return Outcome::failed;
    if (::stat(path_.c_str(), &named) != 0 || mine.st_ino != named.st_ino ||
        mine.st_dev != named.st_dev) {
      return Outcome::busy;
    }
    held_ = true;
    const std::string holder = std::to_string(::getpid());
    // For messages of others only.
    if (::ftruncate(fd_, 0) == 0) (void)!::pwrite(fd_, holder.data(), holder.size(), 0);
    return Outcome::held;
  }
  // With `busy`: who is starting one, as far as it can be told.
  std::string holder() const {
    std::array<char, 16> text{};
    const ssize_t size = ::pread(fd_, text.data(), text.size(), 0);
    const std::string_view digits(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
    return number ? fmt::format("process {}", digits) : std::string("another process");
  }

 private:
  std::string path_;
  int fd_ = -1;
  bool held_ = false;
};

// What lies at the place where a media driver is to be started.
enum class Place { free, stale, foreign };

// Aeron empties a directory before it uses it. One that is no media driver's is refused, so that a
// mistyped name costs nobody their files.
Place look_at(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path path(directory);
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return Place::free;
  if (!std::filesystem::is_directory(status)) return Place::foreign;
  if (std::filesystem::exists(path / "cnc.dat", error)) return Place::stale;
  // A media driver that died while starting leaves these without a CnC file.
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name != "publications" && name != "images" && name != "loss-report.dat") {
      return Place::foreign;
    }
  }
  return error ? Place::foreign : Place::free;
}

// A media driver's heart beats at least once a second, and it starts in far less.
constexpr base::Nanos longest_beat_ns = 1'500'000'000;
constexpr base::Nanos look_again_ns = 20'000'000;

void pause() { std::this_thread::sleep_for(std::chrono::nanoseconds(look_again_ns)); }

bool made_lately(const std::string& path) noexcept {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return false;
  const base::Nanos made = file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec;
  const base::Nanos age = base::SystemClock().realtime_ns() - made;
  return age >= -look_again_ns && age <= longest_beat_ns;
}

// What is there, once one can tell. A media driver that does not take our lock, such as aeronmd, may be
// starting: its file is then unfinished for a moment, like that of one which died while it started.
MediaDriverState look_until_finished(const std::string& directory) {
  MediaDriverState state = look_at_media_driver(directory, paused_ns);
  while (state.unfinished && made_lately(directory + "/cnc.dat")) {
    pause();
    state = look_at_media_driver(directory, paused_ns);
  }
  return state;
}

// Whether the media driver of `seen`, whose process cannot be found, works all the same: then it runs in
// another PID namespace, and starting one here would delete its directory. Waits for one more beat only
// where the last one may be that young.
bool beats(const std::string& directory, const MediaDriverState& seen) {
  if (seen.pid == 0 || seen.heartbeat_age_ns < -look_again_ns / 2) return false;
  const base::Nanos first_look = base::SystemClock::monotonic();
  for (MediaDriverState now = seen; now.pid == seen.pid && now.heartbeat_age_ns <= longest_beat_ns;
       now = look_at_media_driver(directory, paused_ns)) {
    // A beat after the first look.
    if (now.heartbeat_age_ns + look_again_ns < base::SystemClock::monotonic() - first_look)
      return true;
    pause();
  }
  return false;
}

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity identity_of(const std::string& path) noexcept {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino};
}

}  // namespace

struct EmbeddedMediaDriver::Impl {
  aeron_driver_context_t* context = nullptr;
  aeron_driver_t* driver = nullptr;
  std::string directory;
  FileIdentity cnc;  // of the files that are ours to delete
  bool invoked = false;
  std::unique_ptr<MediaDriverThread> thread;  // unless it is invoked

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    thread.reset();
    if (driver != nullptr) (void)aeron_driver_close(driver);
    // Somebody may have deleted the directory under us, and another media driver may live there now.
    if (driver != nullptr && identity_of(directory + "/cnc.dat") != cnc)
      (void)aeron_driver_context_set_dir_delete_on_shutdown(context, false);
    if (context != nullptr) (void)aeron_driver_context_close(context);
  }

  bool configure(const EmbeddedDriverOptions& o, bool replace) {
    const auto ns = [](base::Nanos value) {
      return static_cast<std::uint64_t>(std::max<base::Nanos>(1, value));
    };
    aeron_driver_context_t* c = context;
    bool ok = aeron_driver_context_set_dir(c, directory.c_str()) == 0;
    // On: deletes even a live media driver's directory, so only after the caller found it dead.
    // Off: Aeron's own check refuses a live one that was started meanwhile.
    ok = ok && aeron_driver_context_set_dir_delete_on_start(c, replace) == 0;
    ok = ok && aeron_driver_context_set_dir_delete_on_shutdown(c, false) == 0;
    ok = ok && aeron_driver_context_set_dir_warn_if_exists(c, false) == 0;
    ok = ok && aeron_driver_context_set_threading_mode(
                   c, o.invoked ? AERON_THREADING_MODE_INVOKER : AERON_THREADING_MODE_SHARED) == 0;
    // Never asked: we run it ourselves (media_driver_thread.hpp). Named so that no variable of the environment is.
    ok = ok && aeron_driver_context_set_shared_idle_strategy_init_args(c, "1ms") == 0;
    ok = ok && aeron_driver_context_set_shared_idle_strategy(c, "sleep-ns") == 0;
    ok = ok && aeron_driver_context_set_term_buffer_length(c, o.term_bytes) == 0;
    ok = ok && aeron_driver_context_set_ipc_term_buffer_length(c, o.term_bytes) == 0;
    ok = ok && aeron_driver_context_set_term_buffer_sparse_file(c, o.sparse_terms) == 0;
    ok = ok && aeron_driver_context_set_timer_interval_ns(c, ns(o.timer_interval_ns)) == 0;
    ok =
        ok && aeron_driver_context_set_client_liveness_timeout_ns(c, ns(o.client_liveness_ns)) == 0;
    ok = ok && aeron_driver_context_set_publication_linger_timeout_ns(c, ns(o.linger_ns)) == 0;
    ok = ok && aeron_driver_context_set_untethered_window_limit_timeout_ns(
                   c, ns(o.untethered_timeout_ns)) == 0;
    ok = ok &&
         aeron_driver_context_set_untethered_linger_timeout_ns(c, ns(o.untethered_timeout_ns)) == 0;
    ok = ok && aeron_driver_context_set_untethered_resting_timeout_ns(
                   c, ns(o.untethered_timeout_ns)) == 0;
    return ok;
  }
};

EmbeddedMediaDriver::EmbeddedMediaDriver(std::unique_ptr<Impl> impl) noexcept
    : impl_(std::move(impl)) {}
EmbeddedMediaDriver::~EmbeddedMediaDriver() = default;

Result<std::unique_ptr<EmbeddedMediaDriver>> EmbeddedMediaDriver::launch(
    const EmbeddedDriverOptions& options) {
  auto usable = usable_directory(launch_call, options.directory);
  if (!usable) return fail(std::move(usable.error()));
  auto impl = std::make_unique<Impl>();
  impl->directory = std::move(*usable);
  impl->invoked = options.invoked;
  StartLock lock(impl->directory);
  const StartLock::Outcome taken = lock.take();
  if (taken == StartLock::Outcome::failed) {
    return fail(
        Error::system(launch_call, errno, fmt::format("lock file {}.starting", impl->directory)));
  }
  if (taken == StartLock::Outcome::busy) {
    return fail(Code::rejected, launch_call,
                fmt::format("{} is starting a media driver in {}; use that one, or name another "
                            "directory",
                            lock.holder(), impl->directory));
  }
  const MediaDriverState found = look_until_finished(impl->directory);
  if (found.alive) {
    return fail(Code::rejected, launch_call,
                fmt::format("a media driver (process {}) is already running in {}; use it, or name "
                            "another directory",
                            found.pid, impl->directory));
  }
  if (found.unusable) return fail(Code::invalid_argument, launch_call, found.why);
  if (beats(impl->directory, found)) {
    return fail(
        Code::rejected, launch_call,
        fmt::format("a media driver works in {}, but its process {} cannot be seen: it runs in "
                    "a PID namespace (container) of its own; share that, or name another "
                    "directory",
                    impl->directory, found.pid));
  }
  const Place place = look_at(impl->directory);
  if (place == Place::foreign) {
    return fail(Code::invalid_argument, launch_call,
                fmt::format("{} is not empty and not a media driver's directory; name another one, "
                            "because a media driver deletes what lies in its directory",
                            impl->directory));
  }
  if (with_user_name([&] { return aeron_driver_context_init(&impl->context); }) != 0)
    return fail(driver_error(impl->directory));
  if (!impl->configure(options, place == Place::stale)) return fail(driver_error(impl->directory));
  if (aeron_driver_init(&impl->driver, impl->context) != 0) {
    return fail(driver_error(impl->directory));
  }
  impl->cnc = identity_of(impl->directory + "/cnc.dat");
  // Only now: after a failed init this would delete a directory that is not ours.
  (void)aeron_driver_context_set_dir_delete_on_shutdown(impl->context, options.delete_directory);
  if (options.invoked) {
    if (aeron_driver_start(impl->driver, true) != 0) return fail(driver_error(impl->directory));
  } else {
    auto thread = MediaDriverThread::start(impl->driver, options.timer_interval_ns);
    if (!thread) return fail(std::move(thread.error()));
    impl->thread = std::move(*thread);
  }
  return std::unique_ptr<EmbeddedMediaDriver>(new EmbeddedMediaDriver(std::move(impl)));
}

int EmbeddedMediaDriver::do_work() {
  return impl_->invoked ? std::max(0, aeron_driver_main_do_work(impl_->driver)) : 0;
}

const std::string& EmbeddedMediaDriver::directory() const noexcept { return impl_->directory; }

}  // namespace tensorpool::transport::aeron
