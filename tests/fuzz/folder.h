// Folders in memory whose files come from a fuzzed input.
#ifndef TRIMTAB_TESTS_FUZZ_FOLDER_H_
#define TRIMTAB_TESTS_FUZZ_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {

// A new folder, removed with all it holds when this goes.
class FuzzFolder {
 public:
  FuzzFolder() {
    std::string pattern = std::filesystem::is_directory("/dev/shm") ? "/dev/shm/trimtab_XXXXXX" : "/tmp/trimtab_XXXXXX";
    FUZZ_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  const std::string& path() const { return path_; }
  // REQUIRES: the folder of path()/name is there.
  std::string Write(absl::string_view name, absl::string_view contents) const {
    std::string file = path_ + "/" + std::string(name);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << contents;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_FUZZ_FOLDER_H_
