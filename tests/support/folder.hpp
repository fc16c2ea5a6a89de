// Folders of a test's own, removed with everything in them.
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace tensorpool::test {

// How many files `below` are `wanted`. Others may make and remove some meanwhile: then it looks again.
template <class Wanted>
int count_files(const std::string& below, Wanted&& wanted) {
  namespace fs = std::filesystem;
  for (;;) {
    int count = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator entry(below, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code gone;
      count += entry->is_regular_file(gone) && wanted(entry->path()) ? 1 : 0;
    }
    if (!error || !fs::exists(below)) return count;
    if (error != std::errc::no_such_file_or_directory) throw fs::filesystem_error(below, error);
  }
}
inline int count_files(const std::string& below) {
  return count_files(below, [](const std::filesystem::path&) { return true; });
}

// Below /dev/shm, where regions and Aeron's files lie with a user, unless `below` names another place.
// Throws when it cannot be made.
class Folder {
 public:
  explicit Folder(const std::string& name = "test", const std::string& below = "/dev/shm") {
    std::string pattern = below + "/tensorpool-" + name + "-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
    path_ = std::filesystem::canonical(pattern).string();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  bool empty() const { return std::filesystem::is_empty(path_); }
  // Files of regions below it.
  int region_files() const {
    return count_files(path_, [](const std::filesystem::path& path) {
      return path.extension() == ".pool" || path.extension() == ".ring";
    });
  }

 private:
  std::string path_;
};

// One for a media driver, which makes its directory itself, and for regions.
class Places {
 public:
  explicit Places(const std::string& name) : folder_(name) {
    std::filesystem::create_directory(regions());
  }
  const std::string& path() const { return folder_.path(); }
  std::string aeron() const { return folder_ / "aeron"; }
  std::string regions() const { return folder_ / "regions"; }

 private:
  Folder folder_;
};

}  // namespace tensorpool::test
