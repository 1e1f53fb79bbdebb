// Small seeded T5 and CLP checkpoints on disk, for tests.
#ifndef TRIMTAB_TESTS_TESTING_TINY_CHECKPOINT_H_
#define TRIMTAB_TESTS_TESTING_TINY_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/clp_config.h"
#include "model/safetensors.h"
#include "model/t5_config.h"

namespace trimtab {

// A new empty folder, removed with all it holds when this goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;  // path()/name

 private:
  std::string path_;
};

struct TinyOptions {
  uint64_t seed = 1;
  // The T5. inner = num_heads * d_kv differs from d_model and the depths differ, as they may in the wild.
  std::string feed_forward = "gated-gelu";  // Or "relu" (v1.0), "gated-silu" ...
  bool tied = true;
  int32_t d_model = 16;
  int32_t d_kv = 6;
  int32_t d_ff = 24;
  int32_t num_heads = 2;
  int32_t encoder_layers = 2;
  int32_t decoder_layers = 1;
  int32_t vocab_size = 208;   // The tokenizer has 200 pieces: a padded vocabulary.
  DType dtype = DType::kF32;  // Or kBF16.

  // Of MakeTinyT5. Tensors that match `varied` get the values of set number `set` instead of set 0, so that folders
  // with equal seeds and different sets are a soup.
  std::vector<std::string> varied;
  int set = 0;
  int shards = 1;  // More than 1: model-0000i-of-0000n.safetensors and their index.

  // Of MakeTinyClp. Rewards are named by TinyRewardName; set i + 1 is reward i's, set 0 the reference.
  std::string variant = "attn";  // "none" gives no rewards.
  int num_rewards = 2;
  MixingRule mixing = {MixingKind::kSoftmdp, 0.1};
  double default_alpha = 0.1;  // mixing.alpha_min for kFixed.
  std::string task_prefix = "summarize: ";
  bool prompt_conditioning = false;
  bool state_digest = false;
};

std::string TinyRewardName(int index);  // "r0", "r1" ...
T5Config TinyConfig(const TinyOptions& options);

// A plain Hugging Face folder: config.json, generation_config.json, spiece.model, model.safetensors.
absl::Status MakeTinyT5(const std::string& directory, const TinyOptions& options = {});

// A CLP checkpoint. Tensors outside S equal those MakeTinyT5 gives for the same seed.
absl::Status MakeTinyClp(const std::string& directory, const TinyOptions& options = {});

// The values both write, before rounding to options.dtype: they depend on seed, set and the tensor's name and size.
std::vector<float> TinyValues(const TinyOptions& options, const TensorSpec& spec, int set);

// Bytes of the committed tokenizer: 200 pieces, pad 0, eos 1, unk 2.
std::string TinyTokenizerModel();

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_TINY_CHECKPOINT_H_
