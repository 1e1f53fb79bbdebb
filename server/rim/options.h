#ifndef TRIMTAB_SERVER_RIM_OPTIONS_H_
#define TRIMTAB_SERVER_RIM_OPTIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/steering.h"

namespace trimtab {

// Everything an operator can set. Each field is the flag of the same name (with dashes), the environment variable
// TRIMTAB_<NAME> and the key of the configuration file; flag over environment over file over the default here. Only
// reward_ranges is set one by one, as --reward-range.
struct ServerOptions {
  // Folder of the checkpoint: clp.json and its tensors, or a plain Hugging Face T5.
  std::string model;
  // HOST:PORT of gRPC; port 0 takes a free one. The default answers this machine only. Without `tokens` Admin and
  // Parameters are served on a loopback address only.
  std::string listen = "127.0.0.1:50051";
  // HOST:PORT of /metrics, /livez, /readyz and /version; port 0 takes a free one.
  std::string metrics_listen = "127.0.0.1:9090";
  // "cpu" (vectorised), "cuda" or "cuda:N" (a GPU), "auto" (the first GPU if there is one, else "cpu"), or "reference"
  // (plain loops, slow: for comparing).
  std::string device = "cpu";
  // What weight matrices are kept and multiplied in: float32, bfloat16 (half the memory) or int8 (a quarter).
  std::string precision = "float32";
  // Compute threads; 0: one per core.
  int threads = 0;
  // Memory that the process may take, in bytes, of which all else gets its share; 0: what its control group or the
  // machine has. RLIMIT_DATA and RLIMIT_AS count in any case.
  int64_t memory_limit = 0;
  // Memory of the mixed-weight cache, in bytes; never exceeded. Must hold at least one mixture.
  int64_t cache_bytes = int64_t{1} << 30;
  // Sequences decoded together in one step (a beam search takes one per beam). Bounds key/value memory.
  int max_batch_rows = 32;
  // Requests that may wait; for one more, the youngest of the weighting of which most wait is refused with
  // RESOURCE_EXHAUSTED.
  int max_queue = 256;
  // Longer articles are cut to this many tokens, and the reply says so.
  int max_input_tokens = 512;
  // Most a request may ask for.
  int max_new_tokens = 128;
  // Smallest alpha callers may ask for; 0: the checkpoint's own alpha_min.
  double alpha_floor = 0.0;
  // Weights callers may give a reward, by name; a reward not named takes [0, 1].
  std::map<std::string, SteeringBounds::Range> reward_ranges;
  // Reward weights and the reference's share snap to multiples of 2^-bits, 1 to 20. Fewer bits: more cache hits.
  int grid_bits_w = 20;
  int grid_bits_beta = 20;
  // Weightings to mix before the server is ready, at most 64: names of presets, or such as "alpha=0.3 w=0.5,0.5". What
  // does not fit into the cache is left out, with a warning.
  std::vector<std::string> prewarm;
  // Tokens guessed from the article and tried per request and step; 0: none. Changes speed, never the text.
  int draft_tokens = 7;
  // Every request runs on mixed weights, never over the basis, so that its bits do not depend on the load.
  bool deterministic = false;
  // Folder of the versions that publishers sent, made when it is missing; empty: they live in memory only.
  std::string state_dir;
  // Versions kept there for Activate, the served one included.
  int keep_versions = 3;
  // Memory for a version on its way in; 0: enough for any, sent in float32.
  int64_t staging_bytes = 0;
  // A publisher that is silent for longer may be replaced, and what it had sent is dropped.
  double lease_seconds = 30.0;
  // Versions in which a tensor grew by more, in root mean square, are refused; 0: not checked.
  double max_norm_jump = 10.0;
  // File of bearer tokens, lines "ROLE TOKEN"; empty: everybody may call what is served.
  std::string tokens;
  // PEM files of the server's certificate with its chain and of its key; empty: gRPC without TLS. New contents are
  // taken while it runs.
  std::string tls_certificate;
  std::string tls_key;
  // PEM file of authorities: callers must show a certificate of one of them. Empty: they need none.
  std::string tls_client_ca;
  // On SIGTERM: first keep accepting for this long while load balancers notice ...
  double drain_accept_seconds = 5.0;
  // ... then refuse new requests and let running ones finish for this long, then cancel them.
  double drain_seconds = 30.0;
  std::string log_format = "text";  // Or "json": one object a line. Always to stderr, never article text.
  std::string log_level = "info";   // trace, debug, info, warning, error, critical or off.
  // gRPC server reflection, for grpcurl and the like.
  bool reflection = true;
};

// What the command line asks for.
struct CommandLine {
  enum class Action {
    kServe,
    kCheck,  // Load and validate everything, then exit.
    kExit,   // Print `output` (to stdout, or stderr when exit_code is not 0) and exit with `exit_code`.
  };
  Action action = Action::kServe;
  ServerOptions options;
  std::string output;
  int exit_code = 0;
};

// Parses flags, TRIMTAB_* and the file of --config (TOML or INI, `key = value` lines; unknown keys are errors).
// Errors exit with code 2 and one line. `argv[0]` is skipped.
CommandLine ParseCommandLine(int argc, const char* const* argv);

// "0.1.0 (commit)": what --version and GetModelInfo say.
std::string VersionText();

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_OPTIONS_H_
