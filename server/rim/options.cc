#include "server/rim/options.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/completion.h"
#include "common/help.h"
#include "server/rim/prewarm.h"
#include "server/rim/version.h"

namespace trimtab {
namespace {

constexpr char kDescription[] =
    "Serves steerable T5 models over gRPC.\n"
    "\n"
    "Every option can also be given as TRIMTAB_<NAME> in the environment (TRIMTAB_CACHE_BYTES=512MiB) and as a key\n"
    "of the file named by --config. A flag wins over the environment, the environment over the file.\n"
    "\n"
    "  trimtabd --model plain\n"
    "  trimtabd --model plain --listen 0.0.0.0:50051 --tokens tokens --tls-certificate chain.pem --tls-key key.pem\n"
    "  trimtabd --model plain --precision int8 --cache-bytes 4GiB --print-config > trimtabd.toml";
constexpr char kFooter[] =
    "Signals: SIGTERM and SIGINT drain and exit; a second one exits at once.\n"
    "Exit codes: 0 after a drain, or when --check found nothing wrong; 1 when serving could not start or failed\n"
    "(a port in use); 2 for a command line, configuration or checkpoint that cannot be used.";

constexpr size_t kMaxPrewarm = 64;

std::string EnvName(absl::string_view option) {
  return absl::StrCat("TRIMTAB_", absl::StrReplaceAll(absl::AsciiStrToUpper(option), {{"-", "_"}}));
}

const char* EnvValue(absl::string_view option) {
  const char* value = std::getenv(EnvName(option).c_str());
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// The parser looks at the file before the environment and keeps what it met first: so this hides from it the keys that
// the environment sets. An empty value leaves the default, as --print-config writes it for what has none.
class FileBelowEnvironment : public CLI::ConfigBase {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> items = CLI::ConfigBase::from_config(input);
    std::erase_if(items, [](const CLI::ConfigItem& item) {
      const bool empty = item.inputs.size() == 1 && item.inputs.front().empty();
      return item.parents.empty() && (empty || EnvValue(item.name) != nullptr);
    });
    return items;
  }
};

std::string CheckAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::StrCat("'", text, "' is no address; expected HOST:PORT, such as 127.0.0.1:50051");
  }
  return "";
}

// Unlike CLI::Range, refuses NaN.
CLI::Validator Between(double low, double high) {
  return CLI::Validator(
      [low, high](std::string& text) {
        double value = 0.0;
        if (absl::SimpleAtod(text, &value) && value >= low && value <= high) return std::string();
        return absl::StrCat("'", text, "' is out of range; expected ", low, " to ", high);
      },
      "");
}

std::optional<std::pair<std::string, SteeringBounds::Range>> ParseRange(const std::string& text) {
  const std::pair<std::string, std::string> entry = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::pair<std::string, std::string> ends = absl::StrSplit(entry.second, absl::MaxSplits(':', 1));
  SteeringBounds::Range range;
  if (entry.first.empty() || !absl::SimpleAtod(ends.first, &range.low) || !absl::SimpleAtod(ends.second, &range.high) ||
      !(range.low >= 0.0 && range.low <= range.high && range.high <= 1.0)) {
    return std::nullopt;
  }
  return std::make_pair(entry.first, range);
}

std::string CheckRange(const std::string& text) {
  if (ParseRange(text).has_value()) return "";
  return absl::StrCat("'", text,
                      "' is no range; expected NAME=LOW:HIGH with 0 <= LOW <= HIGH <= 1, such as brief=0:0.5");
}

std::string CheckWeighting(const std::string& text) { return std::string(ParseWeighting(text).status().message()); }

// The flags of one ServerOptions.
class Flags {
 public:
  Flags(CLI::App& app, ServerOptions& options) : app_(app), o_(options) {
    AddModel();
    AddServing();
    AddLimits();
    AddSteering();
    AddParameters();
    AddAccess();
    AddRunning();
  }
  void CollectRanges() {
    for (const std::string& text : ranges_) {
      const auto [name, range] = *ParseRange(text);
      o_.reward_ranges.insert_or_assign(name, range);
    }
  }

 private:
  template <typename T>
  CLI::Option* Add(const std::string& name, T& value, const char* type, const char* help) {
    return app_.add_option(absl::StrCat("--", name), value, help)
        ->type_name(type)
        ->envname(EnvName(name))
        ->capture_default_str()
        ->group(group_);
  }

  void AddModel() {
    group_ = "Model";
    Add("model", o_.model, "DIR", "Checkpoint folder: a CLP checkpoint or a plain Hugging Face T5. Required");
    Add("device", o_.device, "NAME",
        "cpu, cuda:N (GPU N), auto (the first GPU if any), or reference (slow, to compare)")
        ->check([](const std::string& name) -> std::string {
          const bool known = name == "cpu" || name == "auto" || name == "reference" || name == "cuda";
          return known || name.starts_with("cuda:") ? "" : name + " is not cpu, cuda, cuda:N, auto or reference";
        });
    Add("precision", o_.precision, "NAME",
        "Of weight matrices: float32, bfloat16 (half the memory) or int8 (a quarter)")
        ->check(CLI::IsMember({"float32", "bfloat16", "int8"}));
    Add("threads", o_.threads, "N", "Compute threads; 0: one per core")->check(CLI::Range(0, 1024));
  }

  void AddServing() {
    group_ = "Serving";
    Add("listen", o_.listen, "HOST:PORT",
        "Address of gRPC; port 0 takes a free one; without --tokens it serves Admin and Parameters on loopback only")
        ->check(CheckAddress);
    Add("metrics-listen", o_.metrics_listen, "HOST:PORT",
        "Address of HTTP /metrics, /livez, /readyz and /version; port 0 takes a free one")
        ->check(CheckAddress);
    app_.add_flag("--reflection,!--no-reflection", o_.reflection, "gRPC server reflection (on by default)")
        ->envname(EnvName("reflection"))
        ->default_str("true")
        ->group(group_);
  }

  void AddLimits() {
    group_ = "Limits";
    Add("memory-limit", o_.memory_limit, "SIZE",
        "Memory for all of the process, such as 2GiB: requests beyond it are refused; 0: what its control group or the "
        "machine has")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 50));
    Add("cache-bytes", o_.cache_bytes, "SIZE",
        "Memory for mixed weights, never exceeded; bytes or with a unit, such as 512MiB")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 50));
    Add("max-batch-rows", o_.max_batch_rows, "N", "Sequences decoded together; a beam search takes one per beam")
        ->check(CLI::Range(1, 4096));
    Add("draft-tokens", o_.draft_tokens, "N",
        "Tokens guessed from the article and tried per request and step; changes speed, never the text")
        ->check(CLI::Range(0, 11));
    Add("max-queue", o_.max_queue, "N",
        "Requests that may wait; one more is refused with RESOURCE_EXHAUSTED, of the weighting that waits most")
        ->check(CLI::Range(1, 1 << 20));
    Add("max-input-tokens", o_.max_input_tokens, "N", "Longer articles are cut to this many tokens")
        ->check(CLI::Range(2, 16384));
    Add("max-new-tokens", o_.max_new_tokens, "N", "Most tokens a request may ask for")->check(CLI::Range(1, 1024));
  }

  void AddSteering() {
    group_ = "Steering";
    Add("alpha-floor", o_.alpha_floor, "ALPHA", "Smallest alpha callers may ask for; 0: the checkpoint's alpha_min")
        ->check(Between(0.0, 1.0));
    app_.add_option("--reward-range", ranges_, "Weights callers may give a reward, such as brief=0:0.5; repeatable")
        ->type_name("NAME=LO:HI")
        ->envname(EnvName("reward-range"))
        ->check(CheckRange)
        ->allow_extra_args(false)
        ->group(group_);
    Add("grid-bits-w", o_.grid_bits_w, "BITS", "Reward weights snap to multiples of 2^-BITS; fewer: more cache hits")
        ->check(CLI::Range(1, 20));
    Add("grid-bits-beta", o_.grid_bits_beta, "BITS", "The same for the share of the reference")
        ->check(CLI::Range(1, 20));
    app_.add_option("--prewarm", o_.prewarm,
                    "Weightings to mix before the server is ready: names of presets, or such as 'alpha=0.3 w=0.5,0.5'; "
                    "repeatable, or with ; between them; at most 64")
        ->type_name("WEIGHTING")
        ->envname(EnvName("prewarm"))
        ->delimiter(';')
        ->check(CheckWeighting)
        ->allow_extra_args(false)
        ->group(group_);
    app_.add_flag(
            "--deterministic", o_.deterministic,
            "Run every request on mixed weights, never over the basis, so that its text does not depend on the load")
        ->envname(EnvName("deterministic"))
        ->group(group_);
  }

  void AddParameters() {
    group_ = "Parameters";
    Add("state-dir", o_.state_dir, "DIR", "Where published versions survive a restart; none: they live in memory only");
    Add("keep-versions", o_.keep_versions, "N", "Versions kept there, the served one included")
        ->check(CLI::Range(1, 1000));
    Add("staging-bytes", o_.staging_bytes, "SIZE",
        "Memory for a version on its way in, such as 4GiB; 0: enough for any, sent in float32")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 50));
    Add("lease-seconds", o_.lease_seconds, "SECONDS", "A publisher that is silent for longer may be replaced")
        ->check(Between(0.1, 86400.0));
    Add("max-norm-jump", o_.max_norm_jump, "RATIO",
        "Refuse versions in which a tensor grew by more, in root mean square; 0: do not check")
        ->check(Between(0.0, 1e9));
  }

  void AddAccess() {
    group_ = "Access";
    Add("tokens", o_.tokens, "FILE",
        "Bearer tokens, lines ROLE TOKEN with ROLE infer, publish or admin; none: everybody may call, but Admin and "
        "Parameters are served on loopback addresses only");
    Add("tls-certificate", o_.tls_certificate, "FILE",
        "PEM of the server's certificate with its chain; none: gRPC without TLS. New contents are taken as it runs");
    Add("tls-key", o_.tls_key, "FILE", "PEM of its key");
    Add("tls-client-ca", o_.tls_client_ca, "FILE",
        "PEM of authorities: callers must show a certificate of one of them; none: they need no certificate");
  }

  void AddRunning() {
    group_ = "Running";
    Add("drain-accept-seconds", o_.drain_accept_seconds, "SECONDS",
        "After SIGTERM: not ready, but still accepting, for this long")
        ->check(Between(0.0, 3600.0));
    Add("drain-seconds", o_.drain_seconds, "SECONDS",
        "Then refuse new requests and let running ones finish for this long; then cancel them")
        ->check(Between(0.0, 3600.0));
    Add("log-format", o_.log_format, "NAME", "text or json (one object a line), to stderr")
        ->check(CLI::IsMember({"text", "json"}));
    Add("log-level", o_.log_level, "NAME", "trace, debug, info, warning, error, critical or off")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}));
  }

  CLI::App& app_;
  ServerOptions& o_;
  std::vector<std::string> ranges_;
  std::string group_;
};

CommandLine Exit(int code, std::string output) {
  CommandLine line;
  line.action = CommandLine::Action::kExit;
  line.exit_code = code;
  line.output = std::move(output);
  return line;
}

CommandLine Refuse(absl::string_view fault) {
  return Exit(2, absl::StrCat("trimtabd: ", absl::StrReplaceAll(fault, {{"\n", " "}}), " (see trimtabd --help)\n"));
}

}  // namespace

std::string VersionText() { return absl::StrCat(TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"); }

CommandLine ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app(kDescription, "trimtabd");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.config_formatter(std::make_shared<FileBelowEnvironment>());
  app.allow_config_extras(CLI::config_extras_mode::error);
  const char* file = EnvValue("config");
  app.set_config("--config", file == nullptr ? "" : file, "TOML or INI file of these options; unknown keys are errors",
                 /*config_required=*/file != nullptr)
      ->type_name("FILE");
  app.set_version_flag("--version", absl::StrCat("trimtabd ", VersionText()));
  AddCompletion(app);
  bool check = false;
  bool print_config = false;
  app.add_flag("--check", check, "Load and validate the checkpoint and the configuration, then exit")
      ->configurable(false);
  app.add_flag("--print-config", print_config, "Print the configuration as a file for --config, then exit")
      ->configurable(false);
  Flags flags(app, line.options);

  try {
    app.parse(argc, argv);
    flags.CollectRanges();
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    app.exit(success, out, out);
    return Exit(0, out.str());
  } catch (const CLI::ConfigError& error) {
    return Refuse(
        absl::StrCat("the configuration file has a key that is no option, or may not be set there: ", error.what()));
  } catch (const CLI::Error& error) {
    return Refuse(error.what());
  }
  if (print_config) return Exit(0, app.config_to_str(/*default_also=*/true, /*write_description=*/true));
  if (line.options.model.empty()) return Refuse("--model is missing; expected the folder of a checkpoint");
  const ServerOptions& options = line.options;
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return Refuse("--tls-certificate and --tls-key belong together; one of them is missing");
  }
  if (!options.tls_client_ca.empty() && options.tls_key.empty()) {
    return Refuse("--tls-client-ca asks callers for certificates, which needs --tls-certificate and --tls-key");
  }
  if (line.options.prewarm.size() > kMaxPrewarm) {
    return Refuse(absl::StrCat("--prewarm names ", line.options.prewarm.size(), " weightings; at most ", kMaxPrewarm,
                               " are mixed at start"));
  }
  if (check) line.action = CommandLine::Action::kCheck;
  return line;
}

}  // namespace trimtab
