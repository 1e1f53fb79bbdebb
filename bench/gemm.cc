// Packed matrix products at the shapes of T5-base, against the multiply-add peak and against OpenBLAS and oneDNN.
//
//   gemm [--threads N] [--rows N]      one JSON object a line
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "kernels/backend.h"
#include "nlohmann/json.hpp"
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

void Report(const Setup& setup, const Shape& shape, const std::string& what, const Seconds& seconds) {
  const double operations = 2.0 * static_cast<double>(setup.rows * shape.out * shape.in);
  nlohmann::ordered_json row;
  row["bench"] = "gemm";
  row["what"] = what;
  row["shape"] = shape.name;
  row["rows"] = setup.rows;
  row["out"] = shape.out;
  row["in"] = shape.in;
  row["threads"] = setup.threads;
  row["gops"] = operations / seconds.median / 1e9;
  row["gops_best"] = operations / seconds.min / 1e9;
  row["share_of_fma_peak"] = operations / seconds.median / setup.peak;
  std::cout << row.dump() << std::endl;
}

void Ours(Backend& backend, const Setup& setup, const Shape& shape, Precision precision, std::vector<float>& x,
          std::vector<float>& y) {
  const std::vector<float> w = Random(shape.out * shape.in);
  Buffer packed = backend.Allocate(backend.PackedBytes(shape.out, shape.in, precision) / 4).value();
  backend.Pack(w.data(), shape.out, shape.in, precision, packed.raw());
  const PackedMatrix matrix{packed.raw(), shape.out, shape.in, precision};
  const Product product{matrix, {y.data(), setup.rows, shape.out}};
  Report(setup, shape, "trimtab " + std::string(PrecisionName(precision)), Time([&] {
           backend.MatMul({x.data(), setup.rows, shape.in}, {&product, 1});
         }));
}

void Peers([[maybe_unused]] const Setup& setup, [[maybe_unused]] const Shape& shape,
           [[maybe_unused]] const std::vector<float>& x, [[maybe_unused]] std::vector<float>& y) {
  const std::vector<float> w = Random(shape.out * shape.in);
#if TRIMTAB_BENCH_OPENBLAS
  openblas_set_num_threads(setup.threads);
  Report(setup, shape, "OpenBLAS float32", Time([&] {
           cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, setup.rows, shape.out, shape.in, 1.0f, x.data(),
                       shape.in, w.data(), shape.in, 0.0f, y.data(), shape.out);
         }));
#endif
#if TRIMTAB_BENCH_ONEDNN
  omp_set_num_threads(setup.threads);
  Report(setup, shape, "oneDNN float32", Time([&] {
           dnnl_sgemm('N', 'T', setup.rows, shape.out, shape.in, 1.0f, x.data(), shape.in, w.data(), shape.in, 0.0f,
                      y.data(), shape.out);
         }));
#endif
}

void Run(int threads, int64_t rows) {
  const Setup setup{threads, rows, FmaPeak(threads)};
  nlohmann::ordered_json peak;
  peak["bench"] = "gemm";
  peak["what"] = "fma peak";
  peak["threads"] = threads;
  peak["gops"] = setup.peak / 1e9;
  peak["instruction_set"] = InstructionSet();
  std::cout << peak.dump() << std::endl;
  const std::unique_ptr<Backend> backend = NewCpuBackend(threads);
  for (const Shape& shape : {Shape{"attention", 768, 768}, Shape{"feed-forward in", 2048, 768},
                             Shape{"feed-forward out", 768, 2048}, Shape{"output layer", 32128, 768}}) {
    std::vector<float> x = Random(rows * shape.in), y(rows * shape.out);
    for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
      Ours(*backend, setup, shape, precision, x, y);
    }
    Peers(setup, shape, x, y);
  }
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Matrix products against the machine and its libraries");
  int threads = 2;
  int64_t rows = 512;
  app.add_option("--threads", threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--rows", rows)->check(CLI::Range(1, 65536))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  trimtab::bench::Run(threads, rows);
}
