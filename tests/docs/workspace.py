"""A temporary clone of what readers have: the repository's files, built programs, and the articles that the guides speak of."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import markdown

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "deploy/models"
PILOT = MODELS / "debian-pilot"
PROGRAMS = {"trimtab": "client", "trimtabd": "server", "trimtab-gateway": "client/gateway", "trimtab-trainer": "trainer"}
SERVERS = ("trimtabd", "trimtab-gateway", "server.py")
ENDS_AT_ONCE = ("--help", "--check", "--print-config", "--version")
PATIENCE = 60  # Seconds until a server answers.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_tensors(file):
    """Header and bytes of each tensor of a safetensors file."""
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    begin = 8 + length
    return {name: (said, data[begin + said["data_offsets"][0] : begin + said["data_offsets"][1]]) for name, said in header.items()}


def write_plain_t5(folder, *parts):
    """A T5 folder as Hugging Face writes it, of the tensors in `parts`."""
    folder.mkdir()
    for name in ("config.json", "generation_config.json", "spiece.model"):
        shutil.copy(PILOT / name, folder)
    header, body = {}, b""
    for part in parts:
        for name, (said, tensor) in read_tensors(part).items():
            header[name] = {**said, "data_offsets": [len(body), len(body) + len(tensor)]}
            body += tensor
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)


class Workspace:
    """Where the blocks of one document run, one after the other; servers that they start run until it is closed."""

    def __init__(self, build):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trimtab-docs-"))
        self._ports = {}
        self._running = {}  # By program and port.
        for name in ("client", "deploy", "proto"):
            shutil.copytree(ROOT / name, self.folder / name, symlinks=True, ignore=shutil.ignore_patterns("build", "models"))
        (self.folder / "deploy/models").symlink_to(MODELS)
        (self.folder / "build").mkdir()
        (self.folder / "build/release").symlink_to(build)
        (self.folder / "bin").mkdir()
        for name, where in PROGRAMS.items():
            (self.folder / "bin" / name).symlink_to(build / where / name)
        (self.folder / "bin/python3").symlink_to("/usr/bin/python3")  # The one with Debian's packages.
        shutil.copy(ROOT / "deploy/demo-article.txt", self.folder / "news.txt")
        (self.folder / "summary.txt").write_text("fast parser for CSV files, written in C\n")
        self._environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(build / "client/python"),
            "MPLBACKEND": "Agg",
            "TRIMTAB_LOG_LEVEL": "warning",
            "TRIMTAB_DRAIN_ACCEPT_SECONDS": "0",
            **{name: self.local(address) for name, address in {
                "TRIMTAB_LISTEN": "127.0.0.1:50051", "TRIMTAB_METRICS_LISTEN": "127.0.0.1:9090",
                "TRIMTAB_SERVER": "127.0.0.1:50051", "TRIMTAB_GATEWAY_SERVER": "127.0.0.1:50051",
                "TRIMTAB_GATEWAY_LISTEN": "127.0.0.1:8080"}.items()},
        }

    def local(self, text):
        """`text` with a free port for each that it names on 127.0.0.1, the same one every time."""
        return re.sub(r"(?<=127\.0\.0\.1:)(\d+)", lambda port: str(self._ports.setdefault(port[1], free_port())), text)

    def add_plain_t5s(self):
        """my-t5, and my-t5-brief and my-t5-full, which are fine-tuned from it."""
        for name, part in {"my-t5": "reference", "my-t5-brief": "conditioned/brief", "my-t5-full": "conditioned/full"}.items():
            write_plain_t5(self.folder / name, PILOT / "shared.safetensors", PILOT / f"{part}.safetensors")

    def run(self, block):
        """Runs a block; AssertionError with what it printed where it fails."""
        first, code = self.local(block.first), self.local(block.code)
        if block.language == "python":
            self._python(f"{first}\n{code}")
            return
        for command in markdown.commands(f"{first}\n{code}"):
            program = pathlib.Path(command.split()[0]).name
            if program in SERVERS and not any(flag in command for flag in ENDS_AT_ONCE):
                self._serve(program, ["bash", "-c", f"exec {command}"], command)
            else:
                self._finish(["bash", "-euo", "pipefail", "-c", command])

    def _python(self, code):
        argv = ["/usr/bin/python3", "-B", "-c", code]
        if ".serve(" in code:
            self._serve("python", argv, code)
        else:
            self._finish(argv)

    def _finish(self, argv):
        ran = subprocess.run(argv, cwd=self.folder, env=self._environment, check=False, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert ran.returncode == 0, f"{argv[-1]}\nended with {ran.returncode} and said:\n{ran.stdout[-2000:]}"

    def _serve(self, program, argv, said):
        at = re.search(r"(?:--listen |\.serve\(\")127\.0\.0\.1:(\d+)", said)
        default = {"trimtab-gateway": "8080"}.get(program, "50051")
        port = int(at[1] if at else self._ports[default])
        self._stop(self._running.pop((program, port), None))
        process = subprocess.Popen(argv, cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL)
        self._running[program, port] = process
        deadline = time.monotonic() + PATIENCE
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert process.poll() is None, f"{said}\nended with {process.returncode}"
            assert time.monotonic() < deadline, f"{said}\ndoes not listen on port {port}"
            time.sleep(0.02)

    @staticmethod
    def _stop(process):
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def close(self):
        for process in self._running.values():
            self._stop(process)
        shutil.rmtree(self.folder)
