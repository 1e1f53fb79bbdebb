#include "server/rim/logging.h"

#include <grpc/support/log.h>

#include <memory>

#include "absl/time/time.h"
#include "google/protobuf/stubs/logging.h"
#include "nlohmann/json.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string time = absl::FormatTime(absl::RFC3339_full, absl::FromChrono(message.time), absl::UTCTimeZone());
    const spdlog::string_view_t level = spdlog::level::to_string_view(message.level);
    const std::string line = JsonLogLine(time, std::string(level.data(), level.size()),
                                         std::string(message.payload.data(), message.payload.size()));
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// Never destroyed: libraries may speak until the very end of the process.
std::shared_ptr<spdlog::logger>& LogOfLibraries() {
  static auto& log = *new std::shared_ptr<spdlog::logger>();
  return log;
}

// Callers can have protobuf complain once for each request, so it is not heard by default.
void LogOfProtobuf(google::protobuf::LogLevel level, const char* /*file*/, int /*line*/, const std::string& message) {
  const bool fatal = level == google::protobuf::LOGLEVEL_FATAL;
  LogOfLibraries()->log(fatal ? spdlog::level::critical : spdlog::level::debug, "protobuf: {}", message);
}

void LogOfGrpc(gpr_log_func_args* said) {
  const bool error = said->severity == GPR_LOG_SEVERITY_ERROR;
  LogOfLibraries()->log(error ? spdlog::level::warn : spdlog::level::debug, "gRPC: {}", said->message);
}

}  // namespace

std::string JsonLogLine(const std::string& time, const std::string& level, const std::string& message) {
  const nlohmann::ordered_json line = {{"time", time}, {"level", level}, {"message", message}};
  return line.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

void SetUpLogging(const std::string& format, const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>("trimtabd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (format == "json") {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  }
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  LogOfLibraries() = logger;
  spdlog::set_default_logger(std::move(logger));
  google::protobuf::SetLogHandler(LogOfProtobuf);
  gpr_set_log_function(LogOfGrpc);
}

}  // namespace trimtab
