"""A real trimtabd, a real trimtab-trainer and a real Prometheus that scrapes them, on free ports of 127.0.0.1, and load
from `trimtab`."""

import json
import pathlib
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.request

from panels import Prometheus

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
RULES = DEPLOY / "chart" / "files" / "trimtab-rules.yaml"
ARTICLE = DEPLOY / "demo-article.txt"
MODEL = DEPLOY / "models" / "debian-pilot"

CONFIGURATION = """
global: {{scrape_interval: {scrape}, evaluation_interval: {scrape}}}
rule_files: ["{rules}"]
scrape_configs:
  - {{job_name: trimtab, static_configs: [{{targets: ["{metrics}"]}}]}}
  - {{job_name: trimtab-trainer, static_configs: [{{targets: ["{training}"]}}]}}
"""

# Small, so that a step takes a fraction of a second; without an end.
TRAINING = {
    "batch": 4, "micro_batch": 4, "steps": 10**6, "threads": 1, "max_input_tokens": 64, "max_new_tokens": 12,
    "rewards": [{"name": "brief", "score": "brevity", "range": [-30, -5]},
                {"name": "full", "score": "words", "range": [5, 30]}],
}


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_true(condition, what, seconds=60):
    """Waits until condition() holds; TimeoutError naming `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about in {seconds} s")
        time.sleep(0.05)


def answers(url):
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


class Deployment:
    """Server and Prometheus, from construction to close(), and a trainer from train(). `binaries`: a build folder.
    `folder`: an empty one."""

    def __init__(self, binaries, folder, scrape, rate):
        self.binaries, self.folder = pathlib.Path(binaries), pathlib.Path(folder)
        self.processes = []
        try:
            self.grpc, self.metrics = self._start_server()
            self.training, self.control = (f"127.0.0.1:{free_port()}" for _ in range(2))
            self.prometheus = Prometheus(self._start_prometheus(scrape), rate)
        except BaseException:
            self.close()
            raise

    def _start(self, name, argv, stdout):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(argv, stdout=stdout, stderr=log))
        return self.processes[-1]

    def _start_server(self):
        server = self._start("trimtabd", [
            self.binaries / "server" / "trimtabd", "--model", MODEL, "--listen", "127.0.0.1:0", "--metrics-listen",
            "127.0.0.1:0", "--prewarm", "concise", "--cache-bytes", "64MiB", "--state-dir", self.folder / "state",
            "--drain-accept-seconds", "0", "--lease-seconds", "1"], subprocess.PIPE)
        line = server.stdout.readline().decode()
        if not line.startswith("listening "):
            raise RuntimeError(f"trimtabd did not start: {(self.folder / 'trimtabd.log').read_text()}")
        words = dict(word.split("=") for word in line.split()[1:])
        return words["grpc"], words["metrics"]

    def _start_prometheus(self, scrape):
        configuration = self.folder / "prometheus.yaml"
        configuration.write_text(CONFIGURATION.format(scrape=scrape, rules=RULES, metrics=self.metrics,
                                                      training=self.training))
        address = f"127.0.0.1:{free_port()}"
        self._start("prometheus", [
            "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder / 'series'}",
            f"--web.listen-address={address}", "--log.level=warn"], subprocess.DEVNULL)
        await_true(lambda: answers(f"http://{address}/-/ready"), "Prometheus")
        return f"http://{address}"

    def trimtab(self, *arguments):
        """Runs the command line to its end; RuntimeError with what it said when it fails."""
        argv = [self.binaries / "client" / "trimtab", *arguments, "--server", self.grpc]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"trimtab {arguments[0]}: {done.stdout}{done.stderr}")

    def send(self, weightings, *flags):
        """One summary for each first weight."""
        weights = [word for first in weightings for word in ("--weights", f"{first:.4f},{1 - first:.4f}")]
        self.trimtab("summarize", "--article", ARTICLE, *weights, *flags)

    def change(self, number):
        """All that callers do seldom: new parameters, an exploration, a weighting to prewarm."""
        self.trimtab("publish", make_version(self.folder, number), "--holder", "live")
        self.trimtab("explore", "--article", ARTICLE, "--divisions", "10", "--alphas", "3")
        self.trimtab("prewarm", "--weights", f"0.3{number},0.6{10 - number}")

    def train(self, steps):
        """Starts a training that publishes each step to the server; returns after so many steps, and it goes on."""
        corpus, run = self.folder / "corpus.jsonl", self.folder / "run.json"
        corpus.write_text(4 * (json.dumps({"document": ARTICLE.read_text(), "summary": "A text."}) + "\n"))
        run.write_text(json.dumps({
            **TRAINING, "out": str(self.folder / "run"), "start": str(MODEL), "corpus": str(corpus),
            "publish": {"servers": [self.grpc], "every": 1}, "metrics": self.training, "control": self.control}))
        trainer = self._start("trimtab-trainer", [self.binaries / "trainer" / "trimtab-trainer", "train", run],
                              subprocess.DEVNULL)
        if not self._trained(trainer, steps):
            raise RuntimeError(f"trimtab-trainer ended: {(self.folder / 'trimtab-trainer.log').read_text()}")

    def _trained(self, trainer, steps):
        """Waits for so many steps, and one publication. False: it ended before."""
        def done():
            counts = [self.prometheus.get("query", query=f"sum({name})")["result"]
                      for name in ("trimtab_trainer_step", "trimtab_trainer_publications_total")]
            return trainer.poll() is not None or all(counts) and float(counts[0][0]["value"][1]) >= steps

        await_true(done, "training")
        return trainer.poll() is None

    def pause_training(self):
        """Has the trainer rest, and answer scrapes still."""
        subprocess.run([self.binaries / "trainer" / "trimtab-trainer", "control", "pause", self.control], check=True,
                       stdout=subprocess.DEVNULL)

    def close(self):
        """Ends all, the last one started first."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def make_version(folder, number):
    """A copy of the model in `folder` that differs from that of every other number in one tensor; its path."""
    copy = folder / f"version-{number}"
    shutil.copytree(MODEL, copy)
    nudge(copy / "conditioned" / "brief.safetensors", number)
    claim_nothing(copy / "clp.json")
    return copy


def nudge(path, number):
    """Flips low bits of the first values of a safetensors file, by `number`."""
    content = bytearray(path.read_bytes())
    first = 8 + struct.unpack("<Q", content[:8])[0]
    for bit in range(8):
        content[first + 4 * bit] ^= number >> bit & 1
    path.write_bytes(content)


def claim_nothing(path):
    """Takes from a clp.json the digest of what it described."""
    clp = json.loads(path.read_text())
    clp.pop("digest")
    path.write_text(json.dumps(clp))


class Load:
    """Callers that send without pause, from construction to close(): few hot weightings, and ever new ones."""

    HOT = (1.0, 0.0, 0.5, 0.25, 0.75)

    def __init__(self, deployment, callers=3):
        self.deployment, self.stop = deployment, threading.Event()
        self.threads = [threading.Thread(target=self._call, args=(caller,)) for caller in range(callers)]
        for thread in self.threads:
            thread.start()

    def _call(self, caller):
        rounds = 0
        while not self.stop.is_set():
            rare = (37 * rounds + 101 * caller) % 997 / 997
            self.deployment.send((*self.HOT[:1 + rounds % len(self.HOT)], rare))
            rounds += 1

    def close(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
