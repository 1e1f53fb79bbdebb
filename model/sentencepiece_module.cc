#include "model/sentencepiece_module.h"

#include <sentencepiece_processor.h>

#include <memory>
#include <string>
#include <vector>

namespace {

using sentencepiece::SentencePieceProcessor;

bool Succeeded(const sentencepiece::util::Status& status, void* context, TrimtabTextSink error) {
  if (status.ok()) return true;
  const std::string message(status.error_message());
  error(context, message.data(), message.size());
  return false;
}

const SentencePieceProcessor& Model(const void* model) { return *static_cast<const SentencePieceProcessor*>(model); }

void* Load(const char* bytes, size_t size, void* context, TrimtabTextSink error) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  if (!Succeeded(processor->LoadFromSerializedProto({bytes, size}), context, error)) return nullptr;
  return processor.release();
}

void Unload(void* model) { delete static_cast<SentencePieceProcessor*>(model); }

bool Encode(const void* model, const char* text, size_t size, void* context, TrimtabIdSink sink,
            TrimtabTextSink error) {
  std::vector<int> ids;
  if (!Succeeded(Model(model).Encode({text, size}, &ids), context, error)) return false;
  sink(context, ids.data(), ids.size());
  return true;
}

bool Decode(const void* model, const int* ids, size_t count, void* context, TrimtabTextSink sink,
            TrimtabTextSink error) {
  std::string text;
  if (!Succeeded(Model(model).Decode(std::vector<int>(ids, ids + count), &text), context, error)) return false;
  sink(context, text.data(), text.size());
  return true;
}

int NumPieces(const void* model) { return Model(model).GetPieceSize(); }
bool IsControl(const void* model, int id) { return Model(model).IsControl(id); }

constexpr TrimtabSentencePiece kTable = {Load, Unload, Encode, Decode, NumPieces, IsControl};

}  // namespace

extern "C" __attribute__((visibility("default"))) const TrimtabSentencePiece* trimtab_sentencepiece() {
  return &kTable;
}
