"""The binaries at work: a server on free ports, its memory and metrics, and `trimtab bench` against it."""

import json
import pathlib
import re
import signal
import subprocess
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PILOT = ROOT / "deploy/models/debian-pilot"
ARTICLE = ROOT / "deploy/demo-article.txt"


class Server:
    """trimtabd on debian-pilot; ends with the block it is used in."""

    def __init__(self, build, *flags, model=PILOT, data_limit=None):
        self.build = pathlib.Path(build)
        command = [self.build / "server/trimtabd", "--model", model, "--listen", "127.0.0.1:0", "--metrics-listen",
                   "127.0.0.1:0", "--log-level", "warning", "--drain-accept-seconds", "0", *flags]
        if data_limit:
            command = ["prlimit", f"--data={data_limit}", *command]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening grpc=(\S+) metrics=(\S+)\n", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"trimtabd said {line!r} instead of its addresses")
        self.address, self.metrics_address = found.groups()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def alive(self):
        return self.process.poll() is None

    def _status(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])

    def rss_mib(self):
        return self._status("VmRSS") / 1024

    def peak_mib(self):
        return self._status("VmHWM") / 1024

    def data_mib(self):
        """What RLIMIT_DATA counts."""
        return self._status("VmData") / 1024

    def threads(self):
        return self._status("Threads")

    def files(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def metrics(self):
        """Series to value."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=30) as reply:
            lines = reply.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def metric(self, name):
        return self.metrics()[name]

    def start_bench(self, *flags, article=ARTICLE):
        source = "--input" if str(article).endswith(".jsonl") else "--article"
        command = [self.build / "client/trimtab", "bench", "--server", self.address, source, article, "--json", *flags]
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def bench(self, *flags, article=ARTICLE):
        return finish(self.start_bench(*flags, article=article))


def write_articles(path, count=500):
    """Articles of one length, so that hardly two requests at a time can share one reading."""
    words = ARTICLE.read_text().split()
    with path.open("w", encoding="utf-8") as lines:
        for i in range(count):
            begin = i * 7919 % len(words)
            lines.write(json.dumps({"document": " ".join([str(i), *words[begin:], *words[:begin]])}) + "\n")


def finish(bench):
    """What a bench reports, with how it ended."""
    out, err = bench.communicate()
    if not out:
        raise RuntimeError(f"trimtab bench: {err}")
    return json.loads(out) | {"exit_code": bench.returncode}
