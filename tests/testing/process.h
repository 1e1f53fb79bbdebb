// Running our binaries as people do.
#ifndef TRIMTAB_TESTS_TESTING_PROCESS_H_
#define TRIMTAB_TESTS_TESTING_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace trimtab {

struct ProcessResult {
  int exit_code = -1;  // -1: ended by a signal.
  std::string out;
  std::string err;
  double seconds = 0.0;
};

// Runs `argv` to its end with `input` on its standard input.
ProcessResult RunProcess(const std::vector<std::string>& argv, const std::string& input = "");

// A process that runs beside the test; killed at the end of this. Not thread-safe.
class Process {
 public:
  explicit Process(const std::vector<std::string>& argv, const std::string& input = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // What it has written so far.
  std::string out() const;
  std::string err() const;
  // The first line of its output, without the newline; empty when it ended, or 10 seconds passed, without one.
  std::string FirstLine();
  pid_t pid() const { return pid_; }
  void Signal(int signal);
  // Waits for its end. -1: ended by a signal.
  int Wait();

 private:
  bool Ended();
  std::string directory_;
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_PROCESS_H_
