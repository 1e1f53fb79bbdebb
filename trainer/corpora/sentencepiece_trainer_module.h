// What passes between us and the module that holds libsentencepiece_train; model/sentencepiece_module.h says why it is
// a module. Plain C types, no memory to hand over.
#ifndef TRIMTAB_TRAINER_CORPORA_SENTENCEPIECE_TRAINER_MODULE_H_
#define TRIMTAB_TRAINER_CORPORA_SENTENCEPIECE_TRAINER_MODULE_H_

#include <cstddef>

extern "C" {

struct TrimtabBytes {
  const char* data;
  size_t size;
};
using TrimtabBytesSink = void (*)(void* context, const char* data, size_t size);

// Trains on `count` sentences with the library's own flags. `model` is told the model's bytes, or `error` why not, and
// then the result is false. Either is called with `context`, once.
using TrimtabTrainSentencePiece = bool (*)(const char* flags, const TrimtabBytes* sentences, size_t count,
                                           void* context, TrimtabBytesSink model, TrimtabBytesSink error);

}  // extern "C"

#endif  // TRIMTAB_TRAINER_CORPORA_SENTENCEPIECE_TRAINER_MODULE_H_
