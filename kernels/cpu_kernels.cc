#include "kernels/cpu_kernels.h"

#include "hwy/targets.h"

namespace trimtab {
namespace {

std::vector<CpuKernels> CollectKernels() {
  std::vector<CpuKernels> all;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    all.push_back({hwy::TargetName(target), ChosenProductKernels(), ChosenMixKernels(), ChosenVectorKernels()});
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return all;
}

}  // namespace

const std::vector<CpuKernels>& AllCpuKernels() {
  static const std::vector<CpuKernels>* const all = new std::vector<CpuKernels>(CollectKernels());
  return *all;
}

std::vector<std::string> CpuInstructionSets() {
  std::vector<std::string> names;
  for (const CpuKernels& kernels : AllCpuKernels()) names.push_back(kernels.instruction_set);
  return names;
}

}  // namespace trimtab
