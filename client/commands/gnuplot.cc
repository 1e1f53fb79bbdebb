#include "client/commands/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// What a child reads or writes goes through files without a name, so that neither side waits for the other.
File NewFile() { return {std::tmpfile(), std::fclose}; }

std::string ContentsOf(std::FILE* file) {
  std::string text(4096, '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  return std::string(absl::StripAsciiWhitespace(text));
}

// The error number, or 0.
int Spawn(std::FILE* in, std::FILE* err, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
  char program[] = "gnuplot", no_start_up_files[] = "--default-settings";
  char* const argv[] = {program, no_start_up_files, nullptr};
  const int error = posix_spawnp(pid, program, &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::string GnuplotString(absl::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
  }
  return out + "'";
}

absl::Status RunGnuplot(const std::string& script) {
  const File in = NewFile(), err = NewFile();
  if (in == nullptr || err == nullptr || std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() ||
      std::fflush(in.get()) != 0) {
    return absl::InternalError(absl::StrCat("no temporary file for gnuplot can be written: ", std::strerror(errno)));
  }
  std::rewind(in.get());
  pid_t pid = 0;
  const int error = Spawn(in.get(), err.get(), &pid);
  if (error == ENOENT) return absl::NotFoundError("gnuplot is not installed; install the package gnuplot-nox");
  if (error != 0) return absl::InternalError(absl::StrCat("gnuplot cannot be started: ", std::strerror(error)));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("gnuplot failed: ", ContentsOf(err.get())));
}

}  // namespace trimtab
