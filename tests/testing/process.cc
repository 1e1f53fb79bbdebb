#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::string& input) {
  std::string pattern = testing::TempDir() + "process.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  directory_ = pattern;
  std::ofstream(directory_ + "/in", std::ios::binary) << input;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, (directory_ + "/in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, (directory_ + "/out").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, 2, (directory_ + "/err").c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  if (posix_spawn(&pid_, argv[0].c_str(), &files, nullptr, arguments.data(), environ) != 0) {
    ADD_FAILURE() << argv[0] << " cannot be run";
    pid_ = -1;
  }
  posix_spawn_file_actions_destroy(&files);
}

Process::~Process() {
  if (!Ended()) {
    kill(pid_, SIGKILL);
    Wait();
  }
  std::filesystem::remove_all(directory_);
}

std::string Process::out() const { return ReadAll(directory_ + "/out"); }
std::string Process::err() const { return ReadAll(directory_ + "/err"); }

bool Process::Ended() {
  if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

std::string Process::FirstLine() {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < give_up) {
    const bool ended = Ended();
    const std::string text = out();
    if (const size_t end = text.find('\n'); end != std::string::npos) return text.substr(0, end);
    if (ended) return "";
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return "";
}

void Process::Signal(int signal) {
  if (!Ended()) kill(pid_, signal);
}

int Process::Wait() {
  if (pid_ > 0) waitpid(pid_, &status_, 0);
  pid_ = -1;
  return CodeOf(status_);
}

ProcessResult RunProcess(const std::vector<std::string>& argv, const std::string& input) {
  const auto start = std::chrono::steady_clock::now();
  Process process(argv, input);
  ProcessResult result;
  result.exit_code = process.Wait();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.out = process.out();
  result.err = process.err();
  return result;
}

}  // namespace trimtab
