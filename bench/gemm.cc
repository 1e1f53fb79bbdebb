// Packed matrix products at the shapes of T5-base, against the multiply-add peak and against OpenBLAS and oneDNN.
//
//   gemm [--threads N] [--rows N] [--json FILE]
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "kernels/row_stride.h"
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
};

double Operations(const Setup& setup, const Shape& shape) {
  return 2.0 * static_cast<double>(setup.rows * shape.out * shape.in);
}

// Ours, and what it multiplies.
class Packed {
 public:
  Packed(Backend& backend, const Shape& shape, Precision precision)
      : backend_(backend),
        packed_(backend.Allocate(backend.PackedBytes(shape.out, shape.in, precision) / 4).value()),
        matrix_{packed_.raw(), shape.out, shape.in, precision} {
    backend.Pack(Random(shape.out * shape.in).data(), shape.out, shape.in, precision, packed_.raw());
  }

  void Multiply(Rows x, Rows y) {
    const Product product{matrix_, y};
    backend_.MatMul(x, {&product, 1});
  }

 private:
  Backend& backend_;
  Buffer packed_;
  const PackedMatrix matrix_;
};

using Body = std::function<void()>;

// By the library's name in rows.
std::map<std::string, Body> Peers([[maybe_unused]] int threads, [[maybe_unused]] const Shape& shape,
                                  [[maybe_unused]] Rows x, [[maybe_unused]] const float* w, [[maybe_unused]] Rows y) {
  std::map<std::string, Body> peers;
#if TRIMTAB_BENCH_OPENBLAS
  openblas_set_num_threads(threads);
  peers["openblas"] = [=] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, x.count, shape.out, shape.in, 1.0f, x.data, x.stride, w,
                shape.in, 0.0f, y.data, y.stride);
  };
#endif
#if TRIMTAB_BENCH_ONEDNN
  omp_set_num_threads(threads);
  peers["onednn"] = [=] {
    dnnl_sgemm('N', 'T', x.count, shape.out, shape.in, 1.0f, x.data, x.stride, w, shape.in, 0.0f, y.data, y.stride);
  };
#endif
  return peers;
}

// A row per shape, and one for the worst of them under the name alone.
class Ratios {
 public:
  Ratios(const Setup& setup, Report* report) : setup_(setup), report_(report) {}

  // Operations a second of ours and of the baseline.
  void Add(const std::string& name, const Shape& shape, double ours, double baseline, double ratio,
           const std::string& what) {
    const Row row{.name = name + "/" + shape.name,
                  .value = ours / 1e9,
                  .unit = "Gop/s",
                  .baseline = what,
                  .ratio = ratio,
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

void MeasureShape(Backend& backend, const Setup& setup, const Shape& shape, Ratios* ratios) {
  constexpr int kRounds = 7;
  const double operations = Operations(setup, shape);
  std::vector<float> x = Random(setup.rows * RowStride(shape.in)), y(setup.rows * RowStride(shape.out));
  const Rows in{x.data(), setup.rows, RowStride(shape.in)}, out{y.data(), setup.rows, RowStride(shape.out)};
  for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    Packed packed(backend, shape, precision);
    std::vector<double> rates, peaks, shares;
    for (int round = 0; round < kRounds; ++round) {
      rates.push_back(operations / Time([&] { packed.Multiply(in, out); }, 3, 0.1).median);
      peaks.push_back(FmaPeak(setup.threads));
      shares.push_back(rates.back() / peaks.back());
    }
    ratios->Add("gemm/" + ShortName(precision) + "/fma_peak", shape, Median(rates), Median(peaks), Median(shares),
                std::string("FMA peak, ") + InstructionSet());
  }
  Packed packed(backend, shape, Precision::kFloat32);
  const std::vector<float> w = Random(shape.out * shape.in);
  for (const auto& [name, body] : Peers(setup.threads, shape, in, w.data(), out)) {
    const Paired times = TimeInTurns([&] { packed.Multiply(in, out); }, body, kRounds);
    ratios->Add("gemm/f32/" + name, shape, operations / times.ours, operations / times.baseline, times.ratio, name);
  }
}

void Run(int threads, int64_t rows, Report* report) {
  const Setup setup{threads, rows};
  const std::unique_ptr<Backend> backend = NewCpuBackend(threads);
  Ratios ratios(setup, report);
  for (const Shape& shape : {Shape{"attention", 768, 768}, Shape{"feed_forward_in", 2048, 768},
                             Shape{"feed_forward_out", 768, 2048}, Shape{"output_layer", 32128, 768}}) {
    MeasureShape(*backend, setup, shape, &ratios);
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
