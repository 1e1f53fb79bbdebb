#include "trainer/corpora/sentencepiece_trainer_module.h"

#include <sentencepiece_trainer.h>

#include <string>

// Exported by the library, but in none of its headers.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);
}  // namespace sentencepiece::logging

namespace {

// Its log is std::cerr, and a deep-bound module sees another than the program's, which nobody has constructed.
constexpr int kOnlyFatal = 3;

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  Sentences(const TrimtabBytes* sentences, size_t count) : next_(sentences), end_(sentences + count) { Load(); }
  bool done() const override { return next_ == end_; }
  void Next() override {
    ++next_;
    Load();
  }
  const std::string& value() const override { return value_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void Load() {
    if (!done()) value_.assign(next_->data, next_->size);
  }

  const TrimtabBytes* next_;
  const TrimtabBytes* const end_;
  std::string value_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) bool trimtab_train_sentencepiece(const char* flags,
                                                                                   const TrimtabBytes* sentences,
                                                                                   size_t count, void* context,
                                                                                   TrimtabBytesSink model,
                                                                                   TrimtabBytesSink error) {
  sentencepiece::logging::SetMinLogLevel(kOnlyFatal);
  Sentences iterator(sentences, count);
  std::string bytes;
  const auto status = sentencepiece::SentencePieceTrainer::Train(flags, &iterator, &bytes);
  if (status.ok()) {
    model(context, bytes.data(), bytes.size());
  } else {
    const std::string message(status.error_message());
    error(context, message.data(), message.size());
  }
  return status.ok();
}
