#ifndef TRIMTAB_CLIENT_GATEWAY_OPENAPI_H_
#define TRIMTAB_CLIENT_GATEWAY_OPENAPI_H_

#include <string>

namespace trimtab {

// The OpenAPI 3.1 document of the gateway. Schemas are made of the descriptors that also parse and print the messages,
// so they cannot disagree. Pure.
std::string OpenApiDocument();

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_OPENAPI_H_
