// Runs one target on every file of a folder: what was found once stays found, with the compiler of every day.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace {

constexpr int kUsage = 2;

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  const auto& targets = trimtab::FuzzTargets();
  const auto target = argc == 3 ? targets.find(argv[1]) : targets.end();
  if (target == targets.end() || !std::filesystem::is_directory(argv[2])) {
    std::cerr << "usage: replay TARGET FOLDER\n";
    return kUsage;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
    std::cout << entry.path().filename().string() << std::endl;  // Flushed: the last line names the finding.
    // Of its own exact size on the heap, so that reading past it is noticed.
    const std::string text = Contents(entry.path());
    const std::vector<char> input(text.begin(), text.end());
    target->second({input.data(), input.size()});
    ++files;
  }
  std::cout << files << " inputs\n";
  return files > 0 ? 0 : 1;
}
