#include "server/rim/wire.h"

#include "absl/strings/str_cat.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace trimtab {

absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message* message) {
  auto& request =
      const_cast<grpc::ByteBuffer&>(bytes);  // Of gRPC, which hands it out as const and looks at it no more.
  if (grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&request, message).ok()) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("the request is no ", message->GetTypeName(),
                                          "; expected its protobuf encoding, with all text in valid UTF-8"));
}

void WriteMessage(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  bytes->Clear();
  bool own_buffer = false;
  grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, bytes, &own_buffer);
}

}  // namespace trimtab
