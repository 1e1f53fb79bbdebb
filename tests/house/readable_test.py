"""That readable.py leaves out what reaches a header which clang-tidy cannot read, and nothing else."""

import os
import pathlib
import tempfile
import unittest

import readable


class ReadableTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(readable.is_readable.cache_clear)
        os.chdir(folder.name)

    def readable(self, **texts):
        for name, text in texts.items():
            pathlib.Path(f"{name}.h").write_text(text)
        return [name for name in texts if readable.is_readable(f"{name}.h")]

    def test_what_includes_it_at_any_depth_is_left_out(self):
        self.assertEqual(self.readable(a='#include "b.h"\n', b="#include <c.h>\n", c="#include <torch/torch.h>\n",
                                       d='#include <cuda_runtime.h>\n'), [])

    def test_all_else_is_read(self):
        kept = {"a": '#include "b.h"\n#include <vector>\n', "b": "// see torch/torch.h\n", "c": '#include "trainer/run.h"\n'}
        self.assertEqual(self.readable(**kept), list(kept))


if __name__ == "__main__":
    unittest.main()
