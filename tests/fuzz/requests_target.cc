// Bytes of requests, through the checks of the rim and into the values of the core.
#include "server/rim/convert.h"
#include "server/rim/parameters_convert.h"
#include "tests/fuzz/fuzz.h"
#include "trimtab/v1/parameters.pb.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {
namespace {

constexpr int32_t kVocabulary = 208;

const ClpConfig& TwoRewards() {
  static const auto* const clp = [] {
    auto* made = new ClpConfig;
    made->rewards.resize(2);
    made->rewards[0].name = "nli";
    made->rewards[1].name = "rouge";
    made->presets["brief"] = {0.5, {0.25, 0.75}, ""};
    return made;
  }();
  return *clp;
}

template <typename Message>
bool Parse(absl::string_view bytes, Message* message) {
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

void CheckOptions(const v1::GenerationOptions& message) {
  const RequestLimits limits;
  const auto options = OptionsFromProto(message, {}, kVocabulary, limits);
  CheckMessage(options.status());
  if (!options.ok()) return;
  FUZZ_CHECK(options->max_new_tokens >= 1 && options->max_new_tokens <= limits.max_new_tokens);
  FUZZ_CHECK(options->num_beams >= 1 && options->num_beams <= limits.max_beams);
  const auto again = OptionsFromProto(OptionsToProto(*options), {}, kVocabulary, limits);
  FUZZ_CHECK(again.ok());
}

void CheckSteeringOf(const v1::Steering& message) {
  CheckMessage(CheckSteering("steering", message));
  if (!CheckSteering("steering", message).ok()) return;
  const auto steering = ResolveAt("steering", TwoRewards(), {}, {}, message);
  CheckMessage(steering.status());
  if (steering.ok()) FUZZ_CHECK(steering->coefficients.values().size() == 3);
}

void CheckSummarize(absl::string_view bytes) {
  v1::SummarizeRequest request;
  if (!Parse(bytes, &request)) return;
  CheckMessage(CheckRequest(request));
  CheckMessage(PathFromProto(request.execution_path(), {}).status());
  CheckOptions(request.options());
  CheckSteeringOf(request.steering());
}

void CheckExplore(absl::string_view bytes) {
  v1::ExploreRequest request;
  if (!Parse(bytes, &request)) return;
  CheckMessage(CheckArticle(request.article()));
  CheckOptions(request.options());
  for (const v1::Steering& weighting : request.list().steerings()) CheckSteeringOf(weighting);
}

void CheckPublish(absl::string_view bytes) {
  v1::PublishRequest request;
  if (!Parse(bytes, &request)) return;
  CheckMessage(LeaseFromProto(request.begin().lease()).status());
  CheckMessage(CheckChunk(request.chunk()));
  const auto manifest = ManifestFromProto(request.begin());
  CheckMessage(manifest.status());
  if (manifest.ok()) FUZZ_CHECK(!manifest->tensors.empty());
}

FUZZ_TARGET(requests) {
  Choices choices(input);
  const int which = choices.Below(4);
  const absl::string_view bytes = choices.Rest();
  if (which == 0) CheckSummarize(bytes);
  if (which == 1) CheckExplore(bytes);
  if (which == 2) CheckPublish(bytes);
  v1::ActivateRequest activate;
  if (which == 3 && Parse(bytes, &activate)) CheckMessage(CheckActivate(activate));
}

}  // namespace
}  // namespace trimtab
