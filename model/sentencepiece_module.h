// What passes between us and the module that holds libsentencepiece: plain C types and no memory to hand over.
//
// Why a module: Debian's libsentencepiece carries an old protobuf inside and exports its symbols. Linked beside gRPC's
// protobuf, whichever comes first answers for both, and the program dies. The module is opened with RTLD_DEEPBIND, so
// each keeps its own.
#ifndef TRIMTAB_MODEL_SENTENCEPIECE_MODULE_H_
#define TRIMTAB_MODEL_SENTENCEPIECE_MODULE_H_

#include <cstddef>

extern "C" {

using TrimtabTextSink = void (*)(void* context, const char* text, size_t size);
using TrimtabIdSink = void (*)(void* context, const int* ids, size_t count);

struct TrimtabSentencePiece {
  // A loaded model, or null after `error` was told why.
  void* (*load)(const char* bytes, size_t size, void* context, TrimtabTextSink error);
  void (*unload)(void* model);
  // Both return false after `error` was told why; else `sink` was called once.
  bool (*encode)(const void* model, const char* text, size_t size, void* context, TrimtabIdSink sink,
                 TrimtabTextSink error);
  bool (*decode)(const void* model, const int* ids, size_t count, void* context, TrimtabTextSink sink,
                 TrimtabTextSink error);
  int (*num_pieces)(const void* model);
  bool (*is_control)(const void* model, int id);
};

// The module's one export.
using TrimtabSentencePieceTable = const TrimtabSentencePiece* (*)();

}  // extern "C"

#endif  // TRIMTAB_MODEL_SENTENCEPIECE_MODULE_H_
