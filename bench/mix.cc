// The mix against a plain loop that reads and writes the same bytes with the same kind of stores. One thread, as the
// server mixes. On a device: against copies of as many bytes, with matrices large enough that starting kernels is
// little.
//
//   mix [--device NAME] [--out N] [--in N] [--matrices N] [--only NAME] [--json FILE]
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "model/status_macros.h"

namespace trimtab::bench {
namespace {

// `matrices` packed matrices one after the other, all of one set.
struct Set {
  Buffer buffer;
  int64_t stride;  // Bytes from one matrix to the next.
};

Set MakeSet(Backend& backend, int64_t out, int64_t in, int matrices, Precision precision, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> w(out * in);
  for (float& value : w) value = uniform(generator);
  const int64_t stride = (backend.PackedBytes(out, in, precision) + 63) / 64 * 64;
  Set set{backend.Allocate(stride * matrices / 4).value(), stride};
  for (int i = 0; i < matrices; ++i) backend.Pack(w.data(), out, in, precision, set.buffer.raw() + i * stride);
  return set;
}

absl::Status Run(const std::string& device, int64_t out, int64_t in, int matrices, const std::string& only,
                 Report* report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Backend> backend, NewBackend(device, 1));
  struct Case {
    Precision from, to;
  };
  for (const Case& c :
       {Case{Precision::kFloat32, Precision::kFloat32}, Case{Precision::kBfloat16, Precision::kBfloat16},
        Case{Precision::kBfloat16, Precision::kInt8}}) {
    if (!only.empty() && only != ShortName(c.to)) continue;
    std::vector<Set> sets;
    for (uint32_t j = 0; j < 5; ++j) sets.push_back(MakeSet(*backend, out, in, matrices, c.from, j));
    Set mixed = MakeSet(*backend, out, in, matrices, c.to, 9);
    for (int m = 1; m <= 4; ++m) {
      const std::vector<float> coefficients(m + 1, 1.0f / static_cast<float>(m + 1));
      std::vector<const float*> words;
      for (int j = 0; j <= m; ++j) words.push_back(sets[j].buffer.data());
      // int8 writes a byte for every two that bfloat16 reads of a set; its scales are left out of the plain loop.
      const int64_t read_words = sets[0].stride * matrices / 4;
      const int64_t out_words = c.to == Precision::kInt8 ? read_words / 2 : read_words;
      const Paired times = TimeInTurns(
          [&] {
            std::vector<PackedMatrix> views(m + 1);
            for (int i = 0; i < matrices; ++i) {
              for (int j = 0; j <= m; ++j) views[j] = {sets[j].buffer.raw() + i * sets[j].stride, out, in, c.from};
              std::byte* const to = mixed.buffer.raw() + i * mixed.stride;
              backend->on_host() ? backend->MixMatrix(views, coefficients, c.to, to)
                                 : backend->MixMatrixNow(views, coefficients, c.to, to);
            }
            backend->Wait();
          },
          [&] {
            if (backend->on_host()) return PlainLoop(words.data(), m + 1, read_words, mixed.buffer.data(), out_words);
            for (int64_t left = ((m + 1) * read_words + out_words) / 2; left > 0; left -= out_words) {
              backend->Copy(sets[0].buffer.data(), std::min(left, out_words), mixed.buffer.data());
            }
            backend->Wait();
          });
      const double bytes = static_cast<double>(sets[0].stride * (m + 1) + mixed.stride) * matrices;
      report->Add(
          {.name = "mix/m" + std::to_string(m) + "/" + ShortName(c.to) + (backend->on_host() ? "/triad" : "/copy"),
           .value = bytes / times.ours / 1e9,
           .unit = "GB/s",
           .baseline = backend->on_host() ? "plain loop, same reads and stores" : "copies of as many bytes",
           .ratio = times.ratio,
           .details = {{"from", ShortName(c.from)}, {"seconds", times.ours}, {"plain_seconds", times.baseline}}});
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("The mixing kernel against memory");
  int64_t out = 768, in = 768;
  int matrices = 288;
  std::string device = "cpu", json, only;
  app.add_option("--device", device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--out", out)->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_option("--in", in)->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app.add_option("--matrices", matrices, "Of each set: enough that no cache holds them")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--only", only, "f32, bf16 or int8: what is written");
  app.add_option("--json", json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  trimtab::bench::Report report(json);
  return trimtab::bench::ExitCode("mix", trimtab::bench::Run(device, out, in, matrices, only, &report));
}
