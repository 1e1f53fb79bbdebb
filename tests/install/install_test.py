"""What cmake --install puts down can be used: a project of somebody else finds the library, and programs run from there.

install_test.py BUILD
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSUMER = pathlib.Path(__file__).resolve().parent / "consumer"


def run(*argv):
    ran = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ran.returncode == 0, f"{argv}\nended with {ran.returncode} and said:\n{ran.stdout[-3000:]}"
    return ran.stdout


def main(build):
    with tempfile.TemporaryDirectory(prefix="trimtab-install-") as folder:
        prefix, made = f"{folder}/prefix", f"{folder}/made"
        for component in ("programs", "library"):
            run("cmake", "--install", build, "--component", component, "--prefix", prefix)
        assert not os.path.exists(f"{prefix}/bin/trimtab-trainer"), "the trainer, and with it libtorch, is a component of its own"
        for program in os.listdir(f"{prefix}/bin"):
            completion = pathlib.Path(f"{prefix}/share/bash-completion/completions/{program}").read_text(encoding="utf-8")
            assert completion == run(f"{prefix}/bin/{program}", "--completion", "bash"), f"{program} is not completed"
        run("cmake", "-S", CONSUMER, "-B", made, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", made)
        command = [f"{prefix}/bin/trimtabd", "--model", ROOT / "deploy/models/debian-pilot", "--listen", "127.0.0.1:0",
                   "--metrics-listen", "127.0.0.1:0", "--log-level", "error", "--drain-accept-seconds", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            address = server.stdout.readline().split("=")[1].split()[0]
            try:
                assert run(f"{made}/consumer", address).strip(), "no summary"
            finally:
                server.terminate()


if __name__ == "__main__":
    main(sys.argv[1])
