#ifndef TRIMTAB_SERVER_RIM_WIRE_H_
#define TRIMTAB_SERVER_RIM_WIRE_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace trimtab {

// Messages as gRPC carries them. Our methods are registered raw because the callback interface of gRPC 1.51 answers
// bytes it cannot parse with UNIMPLEMENTED and no word of why.

// Internal, as gRPC's other interfaces say, when `bytes` are no such message or hold text that is not UTF-8. Lets go of
// `bytes`, which gRPC would keep until the call ends, however long its request waits.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

// Replaces what `bytes` held.
void WriteMessage(const google::protobuf::Message& message, grpc::ByteBuffer* bytes);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_WIRE_H_
