// Packed matrix products at the shapes of T5-base, against the multiply-add peak and against OpenBLAS and oneDNN.
//
//   gemm [--threads N] [--rows N] [--json FILE]
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#if TRIMTAB_BENCH_OPENBLAS
#include <cblas.h>
extern "C" void openblas_set_num_threads(int);
#endif
#if TRIMTAB_BENCH_ONEDNN
#include <dnnl.h>
#include <omp.h>
#endif

namespace trimtab::bench {
namespace {

std::vector<float> Random(int64_t n) {
  std::mt19937 generator(7);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(generator);
  return values;
}

struct Shape {
  std::string name;
  int64_t out, in;
};

struct Setup {
  int threads;
  int64_t rows;
  double peak;
};

double OpsPerSecond(const Setup& setup, const Shape& shape, const Seconds& seconds) {
  return 2.0 * static_cast<double>(setup.rows * shape.out * shape.in) / seconds.median;
}

double Ours(Backend& backend, const Setup& setup, const Shape& shape, Precision precision, std::vector<float>& x,
            std::vector<float>& y) {
  const std::vector<float> w = Random(shape.out * shape.in);
  Buffer packed = backend.Allocate(backend.PackedBytes(shape.out, shape.in, precision) / 4).value();
  backend.Pack(w.data(), shape.out, shape.in, precision, packed.raw());
  const PackedMatrix matrix{packed.raw(), shape.out, shape.in, precision};
  const Product product{matrix, {y.data(), setup.rows, shape.out}};
  return OpsPerSecond(setup, shape, Time([&] { backend.MatMul({x.data(), setup.rows, shape.in}, {&product, 1}); }));
}

// By the library's name in rows.
std::map<std::string, double> Peers([[maybe_unused]] const Setup& setup, [[maybe_unused]] const Shape& shape,
                                    [[maybe_unused]] const std::vector<float>& x,
                                    [[maybe_unused]] std::vector<float>& y) {
  const std::vector<float> w = Random(shape.out * shape.in);
  std::map<std::string, double> peers;
#if TRIMTAB_BENCH_OPENBLAS
  openblas_set_num_threads(setup.threads);
  peers["openblas"] =
      OpsPerSecond(setup, shape, Time([&] {
                     cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, setup.rows, shape.out, shape.in, 1.0f,
                                 x.data(), shape.in, w.data(), shape.in, 0.0f, y.data(), shape.out);
                   }));
#endif
#if TRIMTAB_BENCH_ONEDNN
  omp_set_num_threads(setup.threads);
  peers["onednn"] = OpsPerSecond(setup, shape, Time([&] {
                                   dnnl_sgemm('N', 'T', setup.rows, shape.out, shape.in, 1.0f, x.data(), shape.in,
                                              w.data(), shape.in, 0.0f, y.data(), shape.out);
                                 }));
#endif
  return peers;
}

// A row per shape, and one for the worst of them under the name alone.
class Ratios {
 public:
  Ratios(const Setup& setup, Report* report) : setup_(setup), report_(report) {}

  void Add(const std::string& name, const Shape& shape, double ours, double baseline, const std::string& what) {
    const Row row{.name = name + "/" + shape.name,
                  .value = ours / 1e9,
                  .unit = "Gop/s",
                  .baseline = what,
                  .ratio = ours / baseline,
                  .details = {{"baseline_gops", baseline / 1e9},
                              {"out", shape.out},
                              {"in", shape.in},
                              {"rows", setup_.rows},
                              {"threads", setup_.threads}}};
    report_->Add(row);
    const auto [worst, first] = worst_.try_emplace(name, row);
    if (!first && row.ratio < worst->second.ratio) worst->second = row;
  }

  void AddWorst() {
    for (auto& [name, row] : worst_) {
      row.details["shape"] = row.name.substr(name.size() + 1);
      row.name = name;
      report_->Add(row);
    }
  }

 private:
  const Setup setup_;
  Report* const report_;
  std::map<std::string, Row> worst_;
};

void Run(int threads, int64_t rows, Report* report) {
  const Setup setup{threads, rows, FmaPeak(threads)};
  const std::unique_ptr<Backend> backend = NewCpuBackend(threads);
  Ratios ratios(setup, report);
  const std::string peak = std::string("FMA peak, ") + InstructionSet();
  for (const Shape& shape : {Shape{"attention", 768, 768}, Shape{"feed_forward_in", 2048, 768},
                             Shape{"feed_forward_out", 768, 2048}, Shape{"output_layer", 32128, 768}}) {
    std::vector<float> x = Random(rows * shape.in), y(rows * shape.out);
    for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
      const double ours = Ours(*backend, setup, shape, precision, x, y);
      ratios.Add("gemm/" + ShortName(precision) + "/fma_peak", shape, ours, setup.peak, peak);
      if (precision != Precision::kFloat32) continue;
      for (const auto& [name, theirs] : Peers(setup, shape, x, y)) {
        ratios.Add("gemm/f32/" + name, shape, ours, theirs, name);
      }
    }
  }
  ratios.AddWorst();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Matrix products against the machine and its libraries");
  int threads = 2;
  int64_t rows = 512;
  std::string json;
  app.add_option("--threads", threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--rows", rows)->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--json", json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  trimtab::bench::Report report(json);
  trimtab::bench::Run(threads, rows, &report);
}
