#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "trainer/commands/command.h"
#include "trimtab/v1/trainer.grpc.pb.h"

namespace trimtab {
namespace {

struct ControlFlags {
  std::string address;
  std::string order;
};

grpc::Status Call(v1::Trainer::Stub& stub, const std::string& order, v1::TrainerStatus* status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  if (order == "pause") return stub.PauseTraining(&context, {}, status);
  if (order == "resume") return stub.ResumeTraining(&context, {}, status);
  if (order == "stop") return stub.StopTraining(&context, {}, status);
  return stub.GetTrainerStatus(&context, {}, status);
}

absl::Status Run(const ControlFlags& flags) {
  const auto stub = v1::Trainer::NewStub(grpc::CreateChannel(flags.address, grpc::InsecureChannelCredentials()));
  v1::TrainerStatus status;
  const grpc::Status result = Call(*stub, flags.order, &status);
  if (!result.ok()) {
    return absl::Status(static_cast<absl::StatusCode>(result.error_code()),
                        absl::StrCat(flags.address, ": ", result.error_message()));
  }
  std::cout << absl::StrCat(absl::AsciiStrToLower(v1::TrainerStatus::State_Name(status.state())), "  step ",
                            status.step(), " of ", status.steps(), "  checkpoint ", status.checkpoint_step(),
                            "  published ", status.published_step(), "  objective ", status.objective(), "  kl ",
                            status.kl(), "\n");
  if (!status.publish_error().empty()) std::cout << absl::StrCat("publishing fails: ", status.publish_error(), "\n");
  return absl::OkStatus();
}

}  // namespace

void AddControl(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("control", "Ask a running training how it does; pause, resume or stop it.");
  auto flags = std::make_shared<ControlFlags>();
  command->add_option("order", flags->order, "status, pause, resume or stop")
      ->required()
      ->check(CLI::IsMember({"status", "pause", "resume", "stop"}));
  command->add_option("address", flags->address, "The configuration's `control`")->required()->type_name("HOST:PORT");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
