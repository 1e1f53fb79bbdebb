#!/usr/bin/env python3
"""Breaks the CUDA kernels in ways that people do, one at a time, and checks that the tests under emulation notice.

Each mutation replaces one piece of text of one source; the test fails if the text is gone, so the list keeps up with the
kernels. Sources are compiled into a folder of their own against the libraries of a finished build.

usage: mutants.py BUILD [NAME ...]      with NAME: those mutations only
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (source, what is there, what takes its place, the tests that should notice)
MUTATIONS = {
    "product_barrier_dropped": (
        "product.cu", "    StoreParts(sums, parts);\n    __syncthreads();\n", "    StoreParts(sums, parts);\n",
        "product"),
    "product_second_barrier_dropped": (
        "product.cu", "tile, parts, totals);\n    __syncthreads();\n", "tile, parts, totals);\n", "product"),
    "product_last_warp_left_out": (
        "product.cu", "for (int w = 1; w < kWarps; ++w) sum", "for (int w = 1; w < kWarps - 1; ++w) sum", "product"),
    "product_wrong_lane": (
        "product.cu", "8 * i + 2 * in_group + d % 2", "8 * i + in_group + d % 2 * 4", "product"),
    "product_rows_swapped": (
        "product.cu", "{high.of[2 * s], low.of[2 * s], high", "{low.of[2 * s], high.of[2 * s], high", "product"),
    "product_row_beyond_the_last": (
        "product.cu", "if (row >= 8 * kRowTiles || tile.first_row + row >= args.x.count) continue;\n    float* const",
        "if (row >= 8 * kRowTiles || tile.first_row + row > args.x.count) continue;\n    float* const", "product"),
    "basis_unused_set_read": (
        "product.cu", "if (sets.basis && !IsUsed<kRowTiles>(args, tile, set)) continue;", "", "product"),
    "basis_added_not_scaled": ("product.cu", "fmaf(c, value, totals[i])", "totals[i] + value", "product"),
    "lower_half_dropped": ("formats.h", "    MultiplyAddBfloat16(a, b[1], d);\n", "", "product"),
    "int8_scale_of_the_neighbour": ("product.cu", "(sets.data[set])[output]", "(sets.data[set])[output ^ 1]", "product"),
    "prepare_pads_with_what_follows": ("prepare.cu", "return i < in ? row[i] : 0.0f;", "return row[i];", "product"),
    "mix_tail_one_short": ("mix.cu", "kThreads, 0, queue}(MixElements, sets, 4 * vectors, n, out)",
                           "kThreads, 0, queue}(MixElements, sets, 4 * vectors, n - 1, out)", "mix"),
    "mix_stride_of_one_block": ("mix.cu", "int64_t{gridDim.x} * kThreads;\n  for (int64_t i = int64_t{blockIdx.x} "
                                "* kThreads + threadIdx.x; i < vectors", "kThreads;\n  for (int64_t i = "
                                "threadIdx.x + 1; i < vectors", "mix"),
    "mix_rounds_down": ("bits.h", "(bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16", "bits >> 16", "mix"),
    "reduction_barrier_dropped": ("launch.h", "shared[WarpOf()] = value;\n  __syncthreads();",
                                  "shared[WarpOf()] = value;", "backend"),
    "reduction_half_a_warp": ("launch.h", "for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) value",
                              "for (int lanes = kWarpSize / 4; lanes > 0; lanes /= 2) value", "backend"),
    "attention_barrier_dropped": ("attention.cu", "running[i].out[d];\n    __syncthreads();", "running[i].out[d];",
                                  "backend"),
    "attention_old_sums_not_rescaled": ("attention.cu", "fmaf(running.sum, keep, weight)", "running.sum + weight",
                                        "backend"),
    "attention_bias_of_the_first_query": ("attention.cu", "key - (tile.position + i)", "key - tile.position", "backend"),
    "attention_one_key_short": ("attention.cu", "key < tile.length; key", "key + 1 < tile.length; key", "backend"),
    "choice_barrier_dropped": ("choose.cu", "  __syncthreads();  // Everybody has read what was there before.\n", "",
                               "choice"),
    "choice_last_warp_left_out": ("choose.cu", "w < kWarps; ++w) value", "w < kWarps - 1; ++w) value", "choice"),
    "choice_one_more_than_top_k": ("choose.cu", "if (sum >= wanted) least", "if (sum > wanted) least", "choice"),
    "choice_draws_before_the_point": ("choose.cu", "if (sum <= point) before", "if (sum < point) before", "choice"),
    "choice_total_of_the_uncut": ("choose.cu", "    total = row.Sum(kept);\n", "", "choice"),
    "choice_ties_to_the_last": ("choose.cu", "TokenKey(scores[i], i);\n      if", "TokenKey(scores[i], size - i);\n      if",
                                "choice"),
    "choice_the_likeliest_again": ("choose.cu", "key = row.BestKey(key);", "key = row.BestKey();", "choice"),
    "choice_places_by_rule": ("choose.cu", "choices[placed.first].exp_sum", "choices[blockIdx.x].exp_sum", "choice"),
    "choice_mix_leaves_one_out": ("choose.cu", "for (int64_t j = 1; j < count; ++j) sum",
                                  "for (int64_t j = 2; j < count; ++j) sum", "choice"),
    "graph_not_told_of_what_changed": ("graphs.cc", "if (list.IsSameAt(i, graph.list)) continue;", "continue;", "graphs"),
    "graph_looks_at_blocks_only": ("kernel_list.cc", "b.first_byte, a.bytes) == 0", "b.first_byte, 0) == 0", "graphs"),
    "graph_looks_at_arguments_only": ("kernel_list.cc", "return x.x == y.x &&", "return x.z == y.z &&", "graphs"),
    "graph_of_as_many_other_kernels": ("kernel_list.cc", "return a.call.kernel == b.call.kernel;", "return true;",
                                       "graphs"),
    "graph_without_order": ("graphs.cc", "before, i == 0 ? 0 : 1, &node", "before, 0, &node", "graphs"),
    "graph_ended_at_work": ("graphs.cc", "  Check(cudaStreamSynchronize(stream)", "  Check(cudaSuccess", "graphs"),
    "graph_forgets_what_it_was": ("graphs.cc", "  std::swap(graph.list, list);\n", "", "graphs"),
    "graph_tries_without_memory_again": ("graphs.cc", "  Destroy(graph);\n  graph.tried = true;", "  Destroy(graph);",
                                         "graphs"),
    "step_without_its_tables": ("cuda_backend.cc", "    staging_->Send();\n    graphs_", "    graphs_", "graphs"),
    "step_read_before_it_ran": ("cuda_backend.cc", "    StartHeld();\n    float* const host", "    float* const host",
                                "graphs"),
    "step_copied_before_it_ran": ("cuda_backend.cc", "    StartHeld();\n    cuda::Check(cudaMemcpyAsync(destination",
                                  "    cuda::Check(cudaMemcpyAsync(destination", "graphs"),
    "step_tables_overwritten": ("cuda_backend.cc", "part.size_bytes()))) Wait();", "part.size_bytes()))) {}", "graphs"),
    "step_never_ends": ("cuda_backend.cc", "    in_step_ = false;\n", "", "graphs"),
    "norm_by_one_warp_only": ("rows.cu", "i += kThreads) squares", "i += kThreads + 1) squares", "backend"),
}


# Nothing changed: what must pass, or catching the others means nothing.
CONTROLS = {
    "unchanged_product": ("product.cu", "kWarps = 8;", "kWarps = 8;", "product"),
    "unchanged_mix": ("mix.cu", "kThreads = 256;", "kThreads = 256;", "mix"),
    "unchanged_choice": ("choose.cu", "kThreads = 512;", "kThreads = 512;", "choice"),
    "unchanged_graphs": ("graphs.cc", "nullptr : &*found", "nullptr : &*found", "graphs"),
    "unchanged_attention": ("attention.cu", "kWarps = 8;", "kWarps = 8;", "backend"),
}


class Build:
    """The commands of a finished build, pointed at other sources and another folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        commands = json.loads((self.folder / "compile_commands.json").read_text())
        objects = {words[words.index("-o") + 1]: c for c in commands if "-o" in (words := c["command"].split())}
        self.compile = {o: c for o, c in objects.items() if "trimtab_cuda_emulated.dir" in o}
        assert self.compile, "compile_commands.json knows nothing of trimtab_cuda_emulated"

    def run(self, arguments, **options):
        return subprocess.run(arguments, cwd=self.folder, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **options)

    def object_of(self, command, sources, target):
        """Compiles one object with the sources' folder before all others."""
        words = shlex.split(command["command"])
        if pathlib.Path(words[0]).name == "ccache":
            words = words[1:]
        original = pathlib.Path(command["file"])
        changed = sources / original.relative_to(ROOT)
        words[words.index("-o") + 1] = str(target)
        words = [str(changed) if w == str(original) else w for w in words]
        words[1:1] = [f"-I{sources}", "-O1", "-g0"]
        words = [w for w in words if w not in ("-g", "-O2", "-Werror")]  # What is broken may leave a name unused.
        done = self.run(words)
        assert done.returncode == 0, f"a mutation does not compile:\n{done.stdout[-3000:]}"

    def link(self, test, replaced, target):
        """Links one test with some of its objects replaced."""
        shown = self.run(["ninja", "-t", "commands", "-s", f"tests/kernels/cuda/cuda_{test}_test"])
        command = next(l for l in shown.stdout.splitlines() if " -o tests/kernels/cuda/" in l and ".cc.o -c" not in l
                       and " -c " not in l)
        words = shlex.split(command.replace("&&", " ").strip(": "))
        words = [str(replaced.get(w, w)) for w in words if w != ":"]
        words[words.index("-o") + 1] = str(target)
        done = self.run(words)
        assert done.returncode == 0, f"linking failed:\n{done.stdout[-3000:]}"


def objects_that_read(build, name):
    """The objects that a source or header goes into."""
    for output, command in build.compile.items():
        source = pathlib.Path(command["file"])
        if source.name == name:
            return {output: command}
    return {o: c for o, c in build.compile.items() if c["file"].endswith(".cu")}


def survives(build, name, scratch):
    source, before, after, test = (MUTATIONS | CONTROLS)[name]
    text = (ROOT / "kernels/cuda" / source).read_text()
    assert text.count(before) == 1, f"{name}: {source} has its text {text.count(before)} times; expected once"
    sources = scratch / name
    folder = sources / "kernels/cuda"
    folder.mkdir(parents=True)
    for file in (ROOT / "kernels/cuda").iterdir():
        if file.suffix in (".cc", ".cu", ".h"):
            (folder / file.name).write_text(file.read_text())
    (folder / source).write_text(text.replace(before, after))
    wanted = {"product": ("product.cu", "prepare.cu"), "mix": ("mix.cu",), "backend": ("rows.cu", "attention.cu"),
              "choice": ("choose.cu",), "graphs": ("graphs.cc", "kernel_list.cc", "cuda_backend.cc")}[test]
    replaced = {}
    for output, command in objects_that_read(build, source).items():
        if pathlib.Path(command["file"]).name not in wanted:
            continue
        replaced[output] = scratch / f"{name}-{pathlib.Path(output).name}"
        build.object_of(command, sources, replaced[output])
    binary = scratch / f"{name}-test"
    build.link(test, replaced, binary)
    return build.run([str(binary), "--gtest_brief=1", "--gtest_fail_fast"], timeout=300).returncode == 0


def main():
    build = Build(sys.argv[1])
    names = sys.argv[2:] or list(MUTATIONS)
    survivors = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in CONTROLS:
            assert survives(build, name, pathlib.Path(scratch)), f"{name}: the tests fail as it is"
        for name in names:
            alive = survives(build, name, pathlib.Path(scratch))
            print(f"{'SURVIVED' if alive else 'caught':9}{name}", flush=True)
            survivors += [name] if alive else []
    print(f"{len(names) - len(survivors)} of {len(names)} broken kernels were caught")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
