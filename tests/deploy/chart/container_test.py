#!/usr/bin/env python3
"""The command of the rendered container, run on this machine: it passes its own probes, also while parameters change, the
pod of `helm test` gets its summary, and SIGTERM ends it within the pod's time. `./dev chart` runs this; TRIMTAB_BUILD
names a build folder."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

import rendered

sys.path.insert(0, str(rendered.ROOT / "deploy" / "dashboards"))
import live  # noqa: E402  (needs the path)

BUILD = pathlib.Path(os.environ["TRIMTAB_BUILD"])
PATH = f"{BUILD / 'server'}:{BUILD / 'client'}:{os.environ['PATH']}"
TOKENS = "infer 0123456789abcdef-infer\npublish 0123456789abcdef-publish\n"
STATEFUL = {"tokens": {"existingSecret": "tokens"}, "state": {"enabled": True}}


def status_of(url):
    """The status of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def certificate():
    """A secret of TLS whose certificate vouches for itself."""
    with tempfile.TemporaryDirectory() as folder:
        key, chain = pathlib.Path(folder) / "key", pathlib.Path(folder) / "chain"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "1", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", chain], check=True, capture_output=True)
        return {"tls.crt": chain.read_text(), "tls.key": key.read_text(), "ca.crt": chain.read_text()}


class Pod:
    """The server's container of a rendered release as a process. Its files lie in `folder`, its ports are free ones."""

    def __init__(self, objects, folder):
        self.objects, self.folder = objects, pathlib.Path(folder)
        self.container = rendered.container(objects)
        self.ports = {name: live.free_port() for name in rendered.ports(self.container)}
        self.places = {"/etc/trimtab/trimtabd.toml": "trimtabd.toml", "/etc/trimtab/tokens": "secret",
                       "/etc/trimtab/tls": "tls",
                       "/var/lib/trimtab": "state", "/tmp": "tmp",
                       "/usr/local/share/trimtab/models": rendered.ROOT / "deploy" / "models"}
        (self.folder / "trimtabd.toml").write_text(rendered.configuration(objects))
        (self.folder / "tmp").mkdir()
        self.mount("secret", {"tokens": TOKENS})
        if "--tls-key=/etc/trimtab/tls/tls.key" in self.container["args"]:
            self.mount("tls", certificate())
        command = self.container["command"] + [self.here(argument) for argument in self.container["args"]]
        with open(self.folder / "stderr", "wb") as log:
            self.process = subprocess.Popen(command, env={"PATH": PATH, **self.environment()}, stderr=log,
                                            stdout=subprocess.DEVNULL)

    def mount(self, name, files):
        """A secret as the kubelet mounts it: each file is a link into a link."""
        (self.folder / name / "..1").mkdir(parents=True)
        (self.folder / name / "..data").symlink_to("..1")
        for file, text in files.items():
            (self.folder / name / "..1" / file).write_text(text)
            (self.folder / name / file).symlink_to(f"..data/{file}")

    def here(self, text):
        """Paths, addresses and ports of the container as they are on this machine."""
        text = re.sub("|".join(self.places), lambda match: str(self.folder / self.places[match.group()]), text)
        for name, number in rendered.ports(self.container).items():
            for host in ("0.0.0.0", "demo-trimtab"):
                text = text.replace(f"{host}:{number}", f"127.0.0.1:{self.ports[name]}")
        return text

    def environment(self):
        """The variables of the container; a limit of two processors stands for what the kubelet fills in."""
        return {one["name"]: one.get("value", "2") for one in self.container.get("env", [])}

    def probe(self, name):
        """The status that a probe of the container gets."""
        http = self.container[name]["httpGet"]
        return status_of(f"http://127.0.0.1:{self.ports[http['port']]}{http['path']}")

    def start(self):
        """Waits for the startup probe, for no longer than the kubelet would."""
        probe = self.container["startupProbe"]
        live.await_true(lambda: self.probe("startupProbe") == 200 or self.process.poll() is not None, "startup",
                        probe["periodSeconds"] * probe["failureThreshold"])
        return self.probe("startupProbe")

    def helm_test(self):
        """What the script of the test pod prints."""
        one = rendered.test_pod(self.objects)["spec"]["containers"][0]
        script = self.here(one["args"][0])
        return subprocess.run([*one["command"], script], env={"PATH": PATH}, check=True, capture_output=True, text=True,
                              timeout=60).stdout

    def close(self):
        """Ends it at once."""
        self.process.kill()
        self.process.wait()


def publish(one, token, number):
    """One version into a pod."""
    checkpoint = live.make_version(one.folder, number)
    argv = ["trimtab", "publish", checkpoint, "--holder", "test", "--token-file", token,
            "--server", f"127.0.0.1:{one.ports['grpc']}"]
    subprocess.run(argv, env={"PATH": PATH}, check=True, capture_output=True, timeout=60)


class ContainerTest(unittest.TestCase):
    def pod(self, values):
        """A release of these values that passed its startup probe."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        one = self.enterContext(contextlib.closing(Pod(rendered.render(values), folder)))
        self.assertEqual(one.start(), 200, (pathlib.Path(folder) / "stderr").read_text())
        return one

    def test_it_passes_its_probes_and_the_test_pod_gets_a_summary(self):
        one = self.pod({})
        self.assertEqual(one.probe("readinessProbe"), 200)
        self.assertEqual(one.probe("livenessProbe"), 200)
        self.assertNotEqual(one.helm_test().strip(), "")

    def test_with_tls_the_probes_pass_and_the_test_pod_gets_its_summary_over_it(self):
        one = self.pod({"tls": {"existingSecret": "tls"}})
        self.assertEqual((one.probe("readinessProbe"), one.probe("livenessProbe")), (200, 200))
        self.assertNotEqual(one.helm_test().strip(), "")

    def test_new_parameters_never_flip_a_probe(self):
        one = self.pod(STATEFUL)
        token = one.folder / "publish-token"
        token.write_text("0123456789abcdef-publish\n")
        seen, over = set(), threading.Event()

        def watch():
            while not over.is_set():
                seen.add((one.probe("readinessProbe"), one.probe("livenessProbe")))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for number in (1, 2, 3):
                publish(one, token, number)
        finally:
            over.set()
            watcher.join()
        self.assertEqual(seen, {(200, 200)})
        self.assertNotEqual(one.helm_test().strip(), "", "the test pod found the token of role infer")

    def test_sigterm_makes_it_not_ready_but_alive_and_ends_it_within_the_time_of_the_pod(self):
        one = self.pod({"config": {"drain-accept-seconds": 1, "drain-seconds": 3}})
        one.process.terminate()
        live.await_true(lambda: one.probe("readinessProbe") == 503, "not ready", 5)
        self.assertEqual(one.probe("livenessProbe"), 200)
        grace = rendered.pod(one.objects)["spec"]["terminationGracePeriodSeconds"]
        self.assertEqual(one.process.wait(timeout=grace), 0)


class EveryOption(unittest.TestCase):
    def test_the_server_reads_from_the_configuration_file_what_the_values_say(self):
        for path in sorted(rendered.HERE.glob("good/*.yaml")):
            with self.subTest(path.stem), tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                objects = rendered.render(rendered.values_of(path))
                file.write(rendered.configuration(objects))
                file.flush()
                arguments = [argument for argument in rendered.container(objects)["args"]
                             if not argument.startswith("--config=")]
                printed = subprocess.run(["trimtabd", "--config", file.name, *arguments, "--print-config"],
                                         env={"PATH": PATH}, check=True, capture_output=True, text=True).stdout
                read = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line and line[0] != "#")
                for name, value in rendered.values_of(path).get("config", {}).items():
                    self.assertEqual(read[name], as_printed(value), name)


def as_printed(value):
    """A value of the configuration as --print-config writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    if isinstance(value, str):
        return str(int(value[:-3]) << 30) if value.endswith("GiB") else f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    unittest.main()
