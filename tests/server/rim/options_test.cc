#include "server/rim/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using testing::HasSubstr;
using Action = CommandLine::Action;

CommandLine Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "trimtabd");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

// A file of this test's, removed with it.
class File {
 public:
  explicit File(const std::string& text) : path_(testing::TempDir() + "options_test." + std::to_string(++count_)) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  const char* path() const { return path_.c_str(); }

 private:
  static inline int count_ = 0;
  const std::string path_;
};

class Env {
 public:
  Env(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Env() { unsetenv(name_); }

 private:
  const char* const name_;
};

TEST(OptionsTest, AModelIsAllItTakes) {
  const CommandLine line = Parse({"--model", "dir"});
  EXPECT_EQ(line.action, Action::kServe);
  EXPECT_EQ(line.options.model, "dir");
  EXPECT_EQ(line.options.listen, "127.0.0.1:50051");
  EXPECT_EQ(line.options.cache_bytes, int64_t{1} << 30);
  EXPECT_TRUE(line.options.reflection);
}

TEST(OptionsTest, ReadsEveryFlag) {
  const std::string flags =
      "--model dir --listen [::1]:0 --metrics-listen localhost:1 --device reference --threads 3 "
      "--cache-bytes 512MiB --max-batch-rows 5 --max-queue 6 --max-input-tokens 70 --max-new-tokens 80 "
      "--alpha-floor 0.25 --reward-range brief=0:0.5 --reward-range full=0.25:1 --grid-bits-w 9 "
      "--grid-bits-beta 10 --deterministic --drain-accept-seconds 1.5 --drain-seconds 2.5 "
      "--log-format json --log-level debug --state-dir state --keep-versions 4 --staging-bytes 2GiB "
      "--lease-seconds 7.5 --max-norm-jump 0 --tls-certificate chain.pem --tls-key key.pem "
      "--tls-client-ca ca.pem --tokens file --no-reflection";
  std::vector<const char*> words;
  const std::vector<std::string> split = absl::StrSplit(flags, ' ');
  for (const std::string& word : split) words.push_back(word.c_str());
  const ServerOptions o = Parse(words).options;
  EXPECT_EQ(o.listen, "[::1]:0");
  EXPECT_EQ(o.metrics_listen, "localhost:1");
  EXPECT_EQ(o.device, "reference");
  EXPECT_EQ(o.threads, 3);
  EXPECT_EQ(o.cache_bytes, int64_t{512} << 20);
  EXPECT_EQ(o.max_batch_rows, 5);
  EXPECT_EQ(o.max_queue, 6);
  EXPECT_EQ(o.max_input_tokens, 70);
  EXPECT_EQ(o.max_new_tokens, 80);
  EXPECT_EQ(o.alpha_floor, 0.25);
  ASSERT_EQ(o.reward_ranges.size(), 2u);
  EXPECT_EQ(o.reward_ranges.at("brief").high, 0.5);
  EXPECT_EQ(o.reward_ranges.at("full").low, 0.25);
  EXPECT_EQ(o.grid_bits_w, 9);
  EXPECT_EQ(o.grid_bits_beta, 10);
  EXPECT_TRUE(o.deterministic);
  EXPECT_EQ(o.drain_accept_seconds, 1.5);
  EXPECT_EQ(o.drain_seconds, 2.5);
  EXPECT_EQ(o.log_format, "json");
  EXPECT_EQ(o.log_level, "debug");
  EXPECT_EQ(o.state_dir, "state");
  EXPECT_EQ(o.keep_versions, 4);
  EXPECT_EQ(o.staging_bytes, int64_t{2} << 30);
  EXPECT_EQ(o.lease_seconds, 7.5);
  EXPECT_EQ(o.max_norm_jump, 0.0);
  EXPECT_EQ(o.tokens, "file");
  EXPECT_EQ(o.tls_certificate, "chain.pem");
  EXPECT_EQ(o.tls_key, "key.pem");
  EXPECT_EQ(o.tls_client_ca, "ca.pem");
  EXPECT_FALSE(o.reflection);
}

TEST(OptionsTest, AFlagWinsOverTheEnvironmentAndTheEnvironmentOverTheFile) {
  const File file("model = \"dir\"\nmax-queue = 1\nmax-batch-rows = 1\nthreads = 1\nreflection = false\n");
  const Env rows("TRIMTAB_MAX_BATCH_ROWS", "2");
  const Env threads("TRIMTAB_THREADS", "2");
  const ServerOptions o = Parse({"--config", file.path(), "--threads", "3"}).options;
  EXPECT_EQ(o.model, "dir");
  EXPECT_EQ(o.max_queue, 1);
  EXPECT_EQ(o.max_batch_rows, 2);
  EXPECT_EQ(o.threads, 3);
  EXPECT_FALSE(o.reflection);
}

TEST(OptionsTest, TheEnvironmentMayNameTheFile) {
  const File file("model = \"dir\"\ncache-bytes = \"2MiB\"\n");
  const Env config("TRIMTAB_CONFIG", file.path());
  EXPECT_EQ(Parse({}).options.cache_bytes, int64_t{2} << 20);
}

TEST(OptionsTest, WhatItPrintsItReadsBack) {
  const CommandLine printed = Parse({"--model", "dir", "--cache-bytes", "3MiB", "--reward-range", "a=0:0.5",
                                     "--reward-range", "b=0.5:1", "--no-reflection", "--print-config"});
  EXPECT_EQ(printed.action, Action::kExit);
  EXPECT_EQ(printed.exit_code, 0);
  const File file(printed.output);
  const CommandLine line = Parse({"--config", file.path()});
  ASSERT_EQ(line.action, Action::kServe) << line.output;
  EXPECT_EQ(line.options.cache_bytes, int64_t{3} << 20);
  EXPECT_EQ(line.options.reward_ranges.size(), 2u);
  EXPECT_FALSE(line.options.reflection);

  const File defaults(Parse({"--print-config"}).output);
  EXPECT_EQ(Parse({"--config", defaults.path(), "--model", "dir"}).action, Action::kServe);
}

TEST(OptionsTest, RefusesWhatItCannotUseInOneLineWithCodeTwo) {
  const File unknown("model = \"dir\"\nmax-quue = 3\n");
  const File wrong("max-queue = many\n");
  const struct {
    std::vector<const char*> arguments;
    const char* named;
  } kCases[] = {
      {{}, "--model"},
      {{"--model", "dir", "--listen", "nowhere"}, "HOST:PORT"},
      {{"--model", "dir", "--listen", "host:70000"}, "HOST:PORT"},
      {{"--model", "dir", "--device", "gpu"}, "gpu"},
      {{"--model", "dir", "--cache-bytes", "5Parsec"}, "arsec"},
      {{"--model", "dir", "--cache-bytes", "-1"}, "--cache-bytes"},
      {{"--model", "dir", "--max-queue", "0"}, "--max-queue"},
      {{"--model", "dir", "--alpha-floor", "nan"}, "--alpha-floor"},
      {{"--model", "dir", "--alpha-floor", "1.5"}, "0 to 1"},
      {{"--model", "dir", "--reward-range", "brief"}, "NAME=LOW:HIGH"},
      {{"--model", "dir", "--reward-range", "brief=0.5:0.25"}, "NAME=LOW:HIGH"},
      {{"--model", "dir", "--grid-bits-w", "21"}, "--grid-bits-w"},
      {{"--model", "dir", "--prewarm", "w=1,zero"}, "w=1,zero"},
      {{"--model", "dir", "--drain-seconds", "-1"}, "--drain-seconds"},
      {{"--model", "dir", "--log-level", "loud"}, "loud"},
      {{"--model", "dir", "--tls-certificate", "a"}, "--tls-key"},
      {{"--model", "dir", "--tls-client-ca", "a"}, "--tls-certificate"},
      {{"--model", "dir", "--bogus"}, "--bogus"},
      {{"--config", unknown.path()}, "max-quue"},
      {{"--config", wrong.path()}, "many"},
      {{"--config", "/nonexistent/file"}, "/nonexistent/file"},
  };
  for (const auto& c : kCases) {
    const CommandLine line = Parse(c.arguments);
    EXPECT_EQ(line.action, Action::kExit) << c.named;
    EXPECT_EQ(line.exit_code, 2) << c.named;
    EXPECT_THAT(line.output, HasSubstr(c.named));
    EXPECT_EQ(line.output.find('\n'), line.output.size() - 1) << line.output;
  }
}

TEST(OptionsTest, WhatToPrewarmComesFromFlagsEnvironmentOrFile) {
  const std::vector<std::string> expected = {"concise", "alpha=0.3 w=0.5,0.5"};
  EXPECT_EQ(Parse({"--model", "dir", "--prewarm", "concise", "--prewarm", "alpha=0.3 w=0.5,0.5"}).options.prewarm,
            expected);
  const File file("model = \"dir\"\nprewarm = [\"concise\", \"alpha=0.3 w=0.5,0.5\"]\n");
  EXPECT_EQ(Parse({"--config", file.path()}).options.prewarm, expected);
  const CommandLine printed = Parse({"--config", file.path(), "--print-config"});
  const File again(printed.output);
  EXPECT_EQ(Parse({"--config", again.path()}).options.prewarm, expected) << printed.output;
  const Env env("TRIMTAB_PREWARM", "concise;alpha=0.3 w=0.5,0.5");
  EXPECT_EQ(Parse({"--model", "dir"}).options.prewarm, expected);
}

TEST(OptionsTest, PrewarmsAtMostSixtyFourWeightings) {
  std::vector<const char*> arguments = {"--model", "dir"};
  for (int i = 0; i < 64; ++i) arguments.insert(arguments.end(), {"--prewarm", "w=1,0"});
  EXPECT_EQ(Parse(arguments).action, Action::kServe);
  arguments.insert(arguments.end(), {"--prewarm", "w=1,0"});
  EXPECT_THAT(Parse(arguments).output, HasSubstr("65 weightings"));
}

TEST(OptionsTest, AFileNamedByTheEnvironmentMustExist) {
  const Env config("TRIMTAB_CONFIG", "/nonexistent/file");
  EXPECT_EQ(Parse({"--model", "dir"}).exit_code, 2);
}

TEST(OptionsTest, HelpAndVersionGoToTheStandardOutput) {
  const CommandLine help = Parse({"--help"});
  EXPECT_EQ(help.action, Action::kExit);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, testing::AllOf(HasSubstr("--cache-bytes"), HasSubstr("Exit codes")));
  const CommandLine version = Parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr(VersionText()));
}

TEST(OptionsTest, CheckAsksForACheck) { EXPECT_EQ(Parse({"--model", "dir", "--check"}).action, Action::kCheck); }

}  // namespace
}  // namespace trimtab
