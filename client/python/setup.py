"""Compiles proto/ into trimtab/contract.binpb, the one thing of the package that is not written by hand.

It holds descriptors, not code, so it does not matter which protoc makes it: the one on PATH, or that of grpcio-tools.
"""

import pathlib
import re
import shutil
import subprocess
import sys

import setuptools
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compile_contract(out):
    protoc = shutil.which("protoc")
    command = [protoc] if protoc else [sys.executable, "-m", "grpc_tools.protoc"]
    files = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
    well_known = []
    if not protoc:
        import grpc_tools

        well_known = [f"-I{pathlib.Path(grpc_tools.__file__).parent / '_proto'}"]
    subprocess.run(
        [*command, f"-I{ROOT / 'proto'}", *well_known, "--include_imports", f"--descriptor_set_out={out}", *files],
        check=True,
    )


class BuildWithContract(build_py):
    def run(self):
        super().run()
        package = pathlib.Path(self.build_lib) / "trimtab"
        package.mkdir(parents=True, exist_ok=True)
        compile_contract(package / "contract.binpb")


VERSION = re.search(r"project\(trimtab VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]

setuptools.setup(version=VERSION, cmdclass={"build_py": BuildWithContract})
