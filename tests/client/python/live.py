"""What the tests share: where things are, and a server that runs while a test case does."""

import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PILOT = ROOT / "deploy/models/debian-pilot"
ARTICLE_FILE = ROOT / "deploy/demo-article.txt"
ARTICLE = ARTICLE_FILE.read_text(encoding="utf-8")
TRIMTAB = os.environ["TRIMTAB"]
TRIMTABD = os.environ["TRIMTABD"]


class Server:
    """trimtabd on a free port, with further flags as given."""

    def __init__(self, *flags, model=PILOT):
        command = [TRIMTABD, "--model", model, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
        quiet = ["--drain-accept-seconds", "0", "--log-level", "warning", "--threads", "1"]
        self._process = subprocess.Popen([*command, *quiet, *flags], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line.startswith("listening grpc="):
            self.stop()
            raise AssertionError(f"trimtabd said {line!r} instead of its addresses")
        self.address = line.split("=")[1].split()[0]

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


class LiveTest(unittest.TestCase):
    """Test cases that share one server, `self.address`."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        server = Server(*cls.flags)
        cls.addClassCleanup(server.stop)
        cls.address = server.address
