#include "server/rim/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/compression.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "kernels/host_memory.h"
#include "model/engine.h"
#include "model/rewards/rouge_scorer.h"
#include "model/status_macros.h"
#include "server/parameter_updates.h"
#include "server/rim/admin_service.h"
#include "server/rim/load_model.h"
#include "server/rim/metrics_http.h"
#include "server/rim/parameters_service.h"
#include "server/rim/summarizer_service.h"
#include "server/rim/tls.h"
#include "server/rim/tokens.h"
#include "server/rim/version.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

constexpr int kMaxReceiveBytes = 2 << 20;  // The largest valid request is a little over 1 MiB.
constexpr int kUnreadBytes = 16 << 10;     // That a sender may be ahead of who reads.
constexpr int kSocketReadBytes = 8 << 10;  // In one piece, which lives as long as the last message it is part of.
constexpr int64_t kNoStaging = 1;          // Byte: no version fits.
constexpr int kMaxMetadataBytes = 16 << 10;
constexpr int64_t kMaxStreamsPerConnection = 1024;
constexpr auto kReadPatience = std::chrono::seconds(2);
constexpr auto kShutdownGrace = std::chrono::seconds(1);  // For replies on their way when all requests have ended.

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

RequestLimits LimitsOf(const ServerOptions& options, const MemoryPlan& memory) {
  return {.max_input_tokens = options.max_input_tokens,
          .max_new_tokens = options.max_new_tokens,
          .max_beams = std::min(8, memory.rows),
          .max_rows_at_once = memory.rows,
          .max_waiting = options.max_queue / 2,
          .deterministic = options.deterministic};
}

// Twice the calls that there is memory for: so that some are refused, and told so, instead of waiting in their client.
int StreamsPerConnection(const MemoryPlan& memory) {
  return static_cast<int>(std::min(kMaxStreamsPerConnection, 2 * memory.requests / kCallBytes));
}

// Little of what nobody reads yet is taken in, at the price of waiting for each window on slow networks.
void KeepSendersClose(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // It would widen the window.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kUnreadBytes);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kSocketReadBytes);
}

void SetLimits(const MemoryPlan& memory, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, StreamsPerConnection(memory));
  if (memory.readers < kMostReaders) KeepSendersClose(builder);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A second server on our port is an error.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
}

}  // namespace

// In the order of construction; destroyed in reverse, so that nothing is used after its end.
struct Server::Impl {
  explicit Impl(const ServerOptions& options) : options(options), metrics(registry) {}

  absl::Status Start();
  absl::Status StartAccess();
  absl::Status StartEngine();
  void Prewarm();
  absl::Status StartUpdates();
  absl::Status StartGrpc();
  void ShowAge();
  void Drain();
  void SetHealth(bool serving);
  std::vector<const RewardScorer*> Scorers() const;

  const ServerOptions options;
  prometheus::Registry registry;
  Metrics metrics;
  std::atomic<bool> ready = false;
  const Disk disk;
  LoadedModel model;
  std::unique_ptr<Tokens> tokens;
  std::unique_ptr<Backend> canary_backend;
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<MixedWeightCache> cache;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<MemoryBudget> memory;
  std::unique_ptr<ReadGate> gate;
  const RougeScorer rouge;
  std::unique_ptr<SummarizerService> service;
  std::unique_ptr<AdminService> admin;  // Null where it is not served.
  std::unique_ptr<ParameterUpdates> updates;
  std::unique_ptr<ParametersService> parameters_service;  // Null where nobody may publish.
  std::unique_ptr<MetricsHttp> metrics_http;
  std::unique_ptr<Tls> tls;  // Null: without.
  std::unique_ptr<grpc::Server> grpc_server;
  int grpc_port = 0;
};

absl::Status Server::Impl::StartAccess() {
  if (!options.tls_certificate.empty()) {
    ASSIGN_OR_RETURN(tls, Tls::Start(TlsFilesOf(options), &metrics));
  }
  if (options.tokens.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Tokens loaded, Tokens::Load(options.tokens));
  tokens = std::make_unique<Tokens>(std::move(loaded));
  if (tls == nullptr && !IsLoopback(options.listen)) {
    spdlog::warn("tokens cross the network unencrypted: {} is no loopback address and there is no --tls-certificate",
                 options.listen);
  }
  return absl::OkStatus();
}

absl::Status Server::Impl::Start() {
  RETURN_IF_ERROR(StartAccess());
  ASSIGN_OR_RETURN(model, LoadModel(options, &disk));
  store = std::make_unique<ParameterStore>(model.parameters);
  metrics.SetBuild(TRIMTAB_VERSION, TRIMTAB_COMMIT);
  metrics.SetParameters(model.parameters->version().sequence, model.parameters->version().digest);
  RETURN_IF_ERROR(StartEngine());
  Prewarm();
  memory = std::make_unique<MemoryBudget>(model.memory.requests, &metrics);
  gate = std::make_unique<ReadGate>(model.memory.readers, kReadPatience);
  const SummarizerParts parts{.store = store.get(),
                              .tokenizer = model.tokenizer.get(),
                              .scheduler = scheduler.get(),
                              .metrics = &metrics,
                              .memory = memory.get(),
                              .gate = gate.get(),
                              .tokens = tokens.get(),
                              .bounds = BoundsOf(options),
                              .grid = GridOf(options),
                              .limits = LimitsOf(options, model.memory),
                              .scorers = Scorers(),
                              .server_version = VersionText(),
                              .device = std::string(model.backend->name())};
  service = std::make_unique<SummarizerService>(parts);
  if (ServesOperators(tokens.get(), options.listen)) admin = std::make_unique<AdminService>(parts, cache.get());
  RETURN_IF_ERROR(StartUpdates());
  ASSIGN_OR_RETURN(metrics_http, MetricsHttp::Start({.listen = options.metrics_listen,
                                                     .ready = [this] { return ready.load(); },
                                                     .before_metrics = [this] { ShowAge(); }},
                                                    registry));
  RETURN_IF_ERROR(StartGrpc());
  model.parameters.reset();  // From now on they live only as long as they are served.
  model.served.reset();
  SetHealth(true);
  return absl::OkStatus();
}

absl::Status Server::Impl::StartEngine() {
  Backend* const backend = model.backend.get();
  const int64_t mixture = MixedWeightCache::EntryBytes(*model.parameters);
  const bool all = !backend->on_host() || (model.memory.mixtures + 1) * mixture > options.cache_bytes;
  MixedWeightCache::Options caching{.byte_budget = all ? options.cache_bytes : model.memory.mixtures * mixture};
  if (backend->on_host()) caching.prepare = [](int64_t bytes) { PrepareHost(bytes / 4); };
  cache = std::make_unique<MixedWeightCache>(
      caching,
      [backend](std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients, MixTime when) {
        return MixedWeights::Mix(std::move(parameters), coefficients, backend, when);
      },
      &metrics);
  SchedulerOptions scheduling{.max_queue_length = options.max_queue, .deterministic = options.deterministic};
  ASSIGN_OR_RETURN(scheduling.costs, MeasureStepCosts(*model.parameters, backend));
  EngineOptions running = EngineOptionsOf(options);
  running.max_rows = model.memory.rows;
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, NewEngine(model.parameters->config(), running, backend));
  scheduler = std::make_unique<Scheduler>(scheduling, std::move(engine), cache.get(), &metrics);
  return absl::OkStatus();
}

std::vector<const RewardScorer*> Server::Impl::Scorers() const {
  std::vector<const RewardScorer*> scorers = {&rouge};
  for (const auto& reward_model : model.reward_models) scorers.push_back(reward_model.get());
  return scorers;
}

void Server::Impl::Prewarm() {
  if (model.prewarm.empty()) return;
  size_t resident = 0;
  cache->Prewarm(model.parameters, model.prewarm, [&resident](size_t, const absl::Status& status) {
    resident += status.ok();
    return true;
  });
  cache->AwaitBackground();
  const size_t asked = model.prewarm.size();
  spdlog::log(resident == asked ? spdlog::level::info : spdlog::level::warn,
              "{} of {} weightings to prewarm are resident{}", resident, asked,
              resident == asked ? "" : ": the cache has no room for the others, see --cache-bytes");
}

absl::Status Server::Impl::StartUpdates() {
  ASSIGN_OR_RETURN(canary_backend, NewBackend(options.device, /*threads=*/1));
  metrics.params_damaged.Increment(model.log == nullptr ? 0 : model.log->damaged());
  updates = std::make_unique<ParameterUpdates>(
      UpdateParts{.store = store.get(),
                  .cache = cache.get(),
                  .metrics = &metrics,
                  .backend = model.backend.get(),
                  .canary_backend = canary_backend.get(),
                  .log = model.log.get(),
                  .base = model.base,
                  .served = model.served},
      UpdateOptions{.staging_bytes = model.memory.versions ? options.staging_bytes : kNoStaging,
                    .lease_timeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * options.lease_seconds)),
                    .max_norm_jump = options.max_norm_jump});
  if (!ServesOperators(tokens.get(), options.listen)) {
    spdlog::warn("parameters are not taken: {} is no loopback address and there are no --tokens", options.listen);
    return absl::OkStatus();
  }
  parameters_service = std::make_unique<ParametersService>(
      ParametersParts{.updates = updates.get(), .metrics = &metrics, .tokens = tokens.get()});
  return absl::OkStatus();
}

void Server::Impl::ShowAge() { metrics.params_age.Set(std::chrono::duration<double>(store->age()).count()); }

absl::Status Server::Impl::StartGrpc() {
  grpc::EnableDefaultHealthCheckService(true);
  if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetLimits(model.memory, builder);
  builder.AddListeningPort(options.listen, tls == nullptr ? grpc::InsecureServerCredentials() : tls->credentials(),
                           &grpc_port);
  builder.RegisterService(service.get());
  if (admin != nullptr) builder.RegisterService(admin.get());
  if (parameters_service != nullptr) builder.RegisterService(parameters_service.get());
  grpc_server = builder.BuildAndStart();
  if (grpc_server == nullptr || grpc_port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "listen ", options.listen, " cannot be bound: is the port in use, or the host not of this machine?"));
  }
  return absl::OkStatus();
}

void Server::Impl::SetHealth(bool serving) {
  ready = serving;
  grpc::HealthCheckServiceInterface* health = grpc_server->GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::Summarizer::service_full_name(), serving);
}

void Server::Impl::Drain() {
  if (grpc_server == nullptr) return;
  if (ready.load()) {
    spdlog::info("draining: not ready, accepting for {} s more", options.drain_accept_seconds);
    SetHealth(false);
    absl::SleepFor(absl::Seconds(options.drain_accept_seconds));
    spdlog::info("draining: refusing new requests, {} waiting and {} running have {} s", scheduler->waiting(),
                 scheduler->running(), options.drain_seconds);
  }
  updates->StartStop();  // A commit under way has the same time to end.
  scheduler->Drain(absl::Now() + absl::Seconds(options.drain_seconds));
  updates->Stop();
  grpc_server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  impl_->ready = false;
  impl_->scheduler->Drain(absl::InfinitePast());
  impl_->updates->Stop();
  impl_->grpc_server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::string Server::grpc_address() const { return absl::StrCat(HostOf(impl_->options.listen), ":", impl_->grpc_port); }

std::string Server::metrics_address() const {
  return absl::StrCat(HostOf(impl_->options.metrics_listen), ":", impl_->metrics_http->port());
}

void Server::Drain() { impl_->Drain(); }

MixedWeightCache::Stats Server::cache_stats() const { return impl_->cache->stats(); }

}  // namespace trimtab
