#include "tests/testing/tiny_checkpoint.h"

#include <stdlib.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <random>
#include <span>
#include <utility>

#include "absl/base/casts.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr char kGeneration[] =
    R"({"decoder_start_token_id": 0, "eos_token_id": 1, "max_new_tokens": 16, "pad_token_id": 0})";

// Tensors and the bytes behind them.
class TensorFile {
 public:
  void Add(const TinyOptions& options, const TensorSpec& spec, int set) {
    std::string& bytes = bytes_.emplace_back();
    for (const float value : TinyValues(options, spec, set)) Append(options.dtype, value, &bytes);
    tensors_[spec.name] = {options.dtype, spec.shape, std::as_bytes(std::span<const char>(bytes.data(), bytes.size()))};
  }
  absl::Status Write(const std::string& path) const { return WriteSafetensors(path, tensors_, {{"format", "pt"}}); }

 private:
  static void Append(DType dtype, float value, std::string* bytes) {
    const uint32_t bits = absl::bit_cast<uint32_t>(value);
    // Round to nearest even; the values are far from infinity.
    const uint16_t high = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    if (dtype == DType::kBF16) {
      bytes->append(reinterpret_cast<const char*>(&high), sizeof(high));
    } else {
      bytes->append(reinterpret_cast<const char*>(&bits), sizeof(bits));
    }
  }

  std::list<std::string> bytes_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

absl::Status WriteText(const std::string& path, const std::string& text) {
  return WriteFileAtomically(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

std::string ConfigJson(const TinyOptions& options) {
  const json config = {{"architectures", {"T5ForConditionalGeneration"}},
                       {"model_type", "t5"},
                       {"vocab_size", options.vocab_size},
                       {"d_model", options.d_model},
                       {"d_kv", options.d_kv},
                       {"d_ff", options.d_ff},
                       {"num_heads", options.num_heads},
                       {"num_layers", options.encoder_layers},
                       {"num_decoder_layers", options.decoder_layers},
                       {"relative_attention_num_buckets", 8},
                       {"relative_attention_max_distance", 20},
                       {"layer_norm_epsilon", 1e-6},
                       {"feed_forward_proj", options.feed_forward},
                       {"is_encoder_decoder", true},
                       {"pad_token_id", 0},
                       {"eos_token_id", 1},
                       {"decoder_start_token_id", 0},
                       {"tie_word_embeddings", options.tied},
                       {"torch_dtype", options.dtype == DType::kBF16 ? "bfloat16" : "float32"}};
  return config.dump(2) + "\n";
}

absl::Status WriteTexts(const std::string& directory, const TinyOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory), error);
  if (error) return absl::InternalError(absl::StrCat(directory, ": ", error.message()));
  RETURN_IF_ERROR(WriteText(absl::StrCat(directory, "/", kConfigFile), ConfigJson(options)));
  RETURN_IF_ERROR(WriteText(absl::StrCat(directory, "/", kGenerationFile), kGeneration));
  return WriteText(absl::StrCat(directory, "/", kTokenizerFile), TinyTokenizerModel());
}

ClpConfig TinyClpConfig(const TinyOptions& options) {
  ClpConfig clp;
  clp.name = "tiny";
  clp.variant = options.variant;
  clp.patterns = VariantPatterns(options.variant).value_or(std::vector<std::string>{});
  clp.mixing = options.mixing;
  clp.default_alpha = options.default_alpha;
  clp.task_prefix = options.task_prefix;
  const int num_rewards = options.variant == "none" ? 0 : options.num_rewards;
  for (int i = 0; i < num_rewards; ++i) {
    RewardInfo reward;
    reward.name = TinyRewardName(i);
    clp.rewards.push_back(std::move(reward));
  }
  if (options.prompt_conditioning) {
    clp.prompt_conditioning.emplace();
    for (const RewardInfo& reward : clp.rewards) clp.prompt_conditioning->labels.push_back(reward.name);
  }
  if (options.variant == "logit" && options.tied) clp.logit_scale = std::pow(options.d_model, -0.5);
  return clp;
}

absl::Status WriteSet(const TinyOptions& options, const std::vector<ModelTensor>& plan, bool conditioned, int set,
                      const std::string& path) {
  TensorFile file;
  for (const ModelTensor& tensor : plan) {
    if (tensor.conditioned == conditioned) file.Add(options, tensor.spec, set);
  }
  return file.Write(path);
}

// Standard deviations that keep the activations of an untrained T5 near 1 (attention scores are not scaled).
double Deviation(const TinyOptions& options, const TensorSpec& spec) {
  switch (spec.role) {
    case TensorRole::kEmbedding:
      return 0.2;  // Below what the layers add: a tied T5 would otherwise repeat its own input.
    case TensorRole::kRelativeBias:
      return 0.5;
    case TensorRole::kNormGain:
      return 0.1;  // Around 1.
    case TensorRole::kMatrix:
      break;
  }
  // A tied T5 in the logit variant scales its logits down, as it does with its embedding.
  if (spec.name == "lm_head.weight" && options.tied) return 1.0;
  const double fan_in = static_cast<double>(spec.shape.back());
  return std::pow(absl::EndsWith(spec.name, "Attention.q.weight") ? fan_in * options.d_kv : fan_in, -0.5);
}

}  // namespace

TempDir::TempDir() {
  std::string name = absl::StrCat(testing::TempDir(), "/trimtab_XXXXXX");
  if (mkdtemp(name.data()) != nullptr) path_ = std::filesystem::canonical(name).string();
  EXPECT_FALSE(path_.empty()) << "cannot make a folder like " << name;
}

TempDir::~TempDir() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

std::string TempDir::File(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

std::string TinyRewardName(int index) { return absl::StrCat("r", index); }

T5Config TinyConfig(const TinyOptions& options) { return ParseT5Config(ConfigJson(options)).value(); }

std::vector<float> TinyValues(const TinyOptions& options, const TensorSpec& spec, int set) {
  std::vector<uint32_t> seeds = {static_cast<uint32_t>(options.seed), static_cast<uint32_t>(options.seed >> 32),
                                 static_cast<uint32_t>(set)};
  seeds.insert(seeds.end(), spec.name.begin(), spec.name.end());
  std::seed_seq sequence(seeds.begin(), seeds.end());
  std::mt19937_64 generator(sequence);
  size_t elements = 1;
  for (const int64_t extent : spec.shape) elements *= static_cast<size_t>(extent);
  const double centre = spec.role == TensorRole::kNormGain ? 1.0 : 0.0;
  const double reach = std::sqrt(3.0) * Deviation(options, spec);
  std::vector<float> values(elements);
  for (float& value : values) {
    const double unit = std::ldexp(static_cast<double>(generator() >> 11), -53);
    value = static_cast<float>(centre + reach * (2.0 * unit - 1.0));
  }
  return values;
}

std::string TinyTokenizerModel() {
  std::ifstream file(std::string(TRIMTAB_SOURCE_DIR) + "/tests/testing/tiny.spiece.model", std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::Status MakeTinyT5(const std::string& directory, const TinyOptions& options) {
  RETURN_IF_ERROR(WriteTexts(directory, options));
  std::vector<TensorFile> files(options.shards);
  json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", json::object()}};
  const auto shard_name = [&](size_t i) {
    return absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, options.shards);
  };
  size_t next = 0;
  for (const TensorSpec& spec : T5Tensors(TinyConfig(options))) {
    const size_t shard = next++ % files.size();
    files[shard].Add(options, spec, MatchesAny(options.varied, spec.name) ? options.set : 0);
    index["weight_map"][spec.name] = shard_name(shard);
  }
  if (files.size() == 1) return files[0].Write(absl::StrCat(directory, "/model.safetensors"));
  for (size_t i = 0; i < files.size(); ++i) {
    RETURN_IF_ERROR(files[i].Write(absl::StrCat(directory, "/", shard_name(i))));
  }
  return WriteText(absl::StrCat(directory, "/model.safetensors.index.json"), index.dump(2));
}

absl::Status MakeTinyClp(const std::string& directory, const TinyOptions& options) {
  RETURN_IF_ERROR(WriteTexts(directory, options));
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory) / "conditioned", error);
  ClpConfig clp = TinyClpConfig(options);
  const std::vector<ModelTensor> plan = PlanTensors(TinyConfig(options), clp);
  RETURN_IF_ERROR(WriteSet(options, plan, false, 0, absl::StrCat(directory, "/", kSharedFile)));
  if (clp.has_reference()) {
    RETURN_IF_ERROR(WriteSet(options, plan, true, 0, absl::StrCat(directory, "/", kReferenceFile)));
  }
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    RETURN_IF_ERROR(WriteSet(options, plan, true, static_cast<int>(i) + 1,
                             absl::StrCat(directory, "/", ConditionedFile(clp.rewards[i].name))));
  }
  RETURN_IF_ERROR(WriteText(absl::StrCat(directory, "/", kClpFile), ClpConfigToJson(clp)));
  if (!options.state_digest) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Checkpoint made, OpenCheckpoint(directory));
  clp.digest = made.digest;
  return WriteText(absl::StrCat(directory, "/", kClpFile), ClpConfigToJson(clp));
}

}  // namespace trimtab
