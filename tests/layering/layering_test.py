#!/usr/bin/env python3
"""Proves layering.py on small trees: good ones pass, each wrong arrow is named."""

import pathlib
import tempfile
import unittest

import layering


def check(files):
    """The complaints about a tree given as {path: text}."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return layering.violations(root)


GOOD = {
    "common/a.cc": '#include "common/a.h"\n#include <httplib.h>\n#include "CLI/CLI.hpp"\n',
    "kernels/a.cc": '#include "kernels/a.h"\n#include <vector>\n#include "absl/status/status.h"\n',
    "model/a.cc": '#include "kernels/a.h"\n#include "model/a.h"\n#include <sentencepiece_processor.h>\n',
    "model/b.cc": '#include "sentencepiece_model.pb.h"\n',
    "server/a.cc": '#include "model/a.h"\n#include "server/a.h"\n#include "prometheus/counter.h"\n',
    "server/rim/a.cc": '#include "common/a.h"\n#include "server/a.h"\n#include "trimtab/v1/summarizer.pb.h"\n#include <grpcpp/grpcpp.h>\n',
    "client/a.cc": '#include "common/a.h"\n#include "model/a.h"\n#include "trimtab/v1/summarizer.pb.h"\n#include "google/rpc/status.pb.h"\n',
    "tests/server/a_test.cc": '#include "server/rim/a.h"\n#include "tests/server/fake.h"\n',
    "bench/a.cc": '#include "client/a.h"\n',
}

BAD_ARROWS = [
    ("common/a.h", "model/a.h", "common must not include model"),
    ("common/a.h", "client/a.h", "common must not include client"),
    ("common/a.h", "server/rim/a.h", "common must not include server rim"),
    ("model/a.h", "common/a.h", "model must not include common"),
    ("server/a.h", "common/a.h", "server core must not include common"),
    ("kernels/a.cc", "model/a.h", "kernels must not include model"),
    ("kernels/a.cc", "server/a.h", "kernels must not include server core"),
    ("kernels/a.cc", "trimtab/v1/summarizer.pb.h", "kernels must not include proto"),
    ("kernels/a.cc", "sentencepiece_model.pb.h", "kernels must not include model"),
    ("model/a.h", "server/a.h", "model must not include server core"),
    ("model/a.h", "server/rim/a.h", "model must not include server rim"),
    ("model/deep/a.h", "client/a.h", "model must not include client"),
    ("model/a.h", "trimtab/v1/summarizer.pb.h", "model must not include proto"),
    ("server/a.cc", "server/rim/a.h", "server core must not include server rim"),
    ("server/a.cc", "trimtab/v1/summarizer.pb.h", "server core must not include proto"),
    ("server/a.cc", "google/rpc/status.pb.h", "server core must not include proto"),
    ("server/rim/a.cc", "client/a.h", "server rim must not include client"),
    ("client/a.cc", "server/a.h", "client must not include server core"),
    ("client/a.cc", "kernels/a.h", "client must not include kernels"),
    ("model/a.cc", "tests/testing/a.h", "model must not include tests"),
    ("server/rim/a.cc", "bench/a.h", "server rim must not include bench"),
    ("bench/a.cc", "tests/testing/a.h", "bench must not include tests"),
]

BAD_LIBRARIES = [
    ("common/a.cc", "grpcpp/grpcpp.h"),
    ("kernels/a.cc", "prometheus/counter.h"),
    ("kernels/a.cc", "google/protobuf/message.h"),
    ("model/a.cc", "grpcpp/grpcpp.h"),
    ("model/a.cc", "grpc/grpc.h"),
    ("model/a.cc", "prometheus/counter.h"),
    ("server/a.cc", "grpcpp/grpcpp.h"),
    ("server/a.cc", "google/protobuf/message.h"),
    ("client/a.cc", "prometheus/counter.h"),
]


class LayeringTest(unittest.TestCase):
    def test_accepts_every_arrow_that_points_down(self):
        self.assertEqual(check(GOOD), [])

    def test_names_file_line_and_arrow_of_each_include_that_turns_back(self):
        for name, target, expected in BAD_ARROWS:
            for line in (f'#include "{target}"', f"#include <{target}>", f'  #  include "{target}"  // why'):
                with self.subTest(name=name, line=line):
                    found = check({**GOOD, name: f"\n\n{line}\n"})
                    self.assertEqual(found, [f"{name}:3: {target} turns an arrow back: {expected}"])

    def test_refuses_libraries_that_a_layer_must_not_know(self):
        for name, target in BAD_LIBRARIES:
            with self.subTest(name=name, target=target):
                found = check({**GOOD, name: f"#include <{target}>\n"})
                self.assertEqual(len(found), 1)
                self.assertIn("must not know", found[0])

    def test_refuses_relative_paths_which_would_hide_an_arrow(self):
        for target in ("../server/a.h", "./a.h", "a.h", "model/../server/a.h"):
            with self.subTest(target=target):
                self.assertEqual(len(check({**GOOD, "model/a.cc": f'#include "{target}"\n'})), 1)

    def test_reports_every_line_at_fault(self):
        bad = '#include "server/a.h"\n#include "kernels/a.h"\n#include "client/a.h"\n'
        self.assertEqual([message.split(" ")[0] for message in check({**GOOD, "model/a.cc": bad})],
                         ["model/a.cc:1:", "model/a.cc:3:"])

    def test_refuses_a_folder_without_a_rule(self):
        self.assertIn("no layer is defined", check({**GOOD, "extra/a.cc": ""})[0])

    def test_ignores_build_trees_and_comments(self):
        files = {**GOOD, "build/dev/a.cc": '#include "server/a.h"\n', "model/a.cc": '// #include "server/a.h"\n'}
        self.assertEqual(check(files), [])

    def test_refuses_an_empty_tree(self):
        self.assertEqual(len(check({})), 1)


if __name__ == "__main__":
    unittest.main()
