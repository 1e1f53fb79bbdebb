"""trimtabd on debian-pilot and trimtab-gateway before it, on free ports of 127.0.0.1."""

import contextlib
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRIMTAB_BUILD", ROOT / "build/dev"))
ARTICLE = (ROOT / "deploy/demo-article.txt").read_text(encoding="utf-8")


@contextlib.contextmanager
def started(program, *flags):
    """The addresses by name that `program` prints when it is ready; it is stopped at the end."""
    process = subprocess.Popen([BUILD / program, *flags], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"{program} said {line!r} instead of its addresses")
        yield dict(word.split("=") for word in line.split()[1:])
        if process.poll() is not None:
            raise RuntimeError(f"{program} ended by itself with {process.returncode}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def gateway(*server_flags):
    """The address of a gateway, as http://HOST:PORT."""
    quiet = ["--drain-accept-seconds", "0", "--log-level", "error", *server_flags]
    with (
        started("server/trimtabd", "--model", ROOT / "deploy/models/debian-pilot", "--listen", "127.0.0.1:0",
                "--metrics-listen", "127.0.0.1:0", *quiet) as server,
        started("client/gateway/trimtab-gateway", "--server", server["grpc"], "--metrics", server["metrics"],
                "--listen", "127.0.0.1:0") as door,
    ):
        yield f"http://{door['http']}"
