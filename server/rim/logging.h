#ifndef TRIMTAB_SERVER_RIM_LOGGING_H_
#define TRIMTAB_SERVER_RIM_LOGGING_H_

#include <string>

namespace trimtab {

// Sends the log to stderr. `format`: "text", or "json" for one object {"time", "level", "message"} a line. `level` as
// in ServerOptions::log_level. What gRPC and protobuf have to say goes there too. Call once, before other threads log.
void SetUpLogging(const std::string& format, const std::string& level);

// One JSON line without its newline; what "json" writes. `time` is RFC 3339.
std::string JsonLogLine(const std::string& time, const std::string& level, const std::string& message);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_LOGGING_H_
