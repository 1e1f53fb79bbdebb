#ifndef TRIMTAB_CLIENT_GATEWAY_WEB_FILES_H_
#define TRIMTAB_CLIENT_GATEWAY_WEB_FILES_H_

#include <span>

namespace trimtab {

// A file of web/, which the build puts into the program.
struct WebFile {
  const char* path;  // "/style.css"; index.html is "/".
  const char* type;
  std::span<const unsigned char> content;
};
std::span<const WebFile> WebFiles();

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_WEB_FILES_H_
