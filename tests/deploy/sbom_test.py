"""The bill of materials: sbom_test.py PROGRAM MODULE."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM, MODULE = sys.argv[1:3]


def sbom(*programs):
    return subprocess.run(["/usr/bin/python3", "-B", ROOT / "deploy/sbom.py", *programs],
                          text=True, capture_output=True, check=False)


class SbomTest(unittest.TestCase):
    def test_names_what_is_loaded_and_what_building_takes(self):
        bill = json.loads(sbom(PROGRAM, MODULE).stdout)
        scopes = {part["name"]: part["scope"] for part in bill["components"]}
        self.assertEqual(len(scopes), len(bill["components"]), "a component stands twice")
        for name in ("libgrpc++1.51", "libc6", "libsentencepiece0", "nlohmann-json3-dev", "googleapis"):
            self.assertEqual(scopes.get(name), "required", name)
        for line in (ROOT / "deploy/apt-packages.txt").read_text(encoding="utf-8").splitlines():
            package = line.split("#")[0].strip()
            if package:
                self.assertIn(package, scopes)
        self.assertEqual(scopes["cmake"], "excluded")
        [grpc] = (part for part in bill["components"] if part["name"] == "libgrpc++1.51")
        self.assertTrue(grpc["purl"].startswith("pkg:deb/debian/libgrpc%2B%2B1.51@1.51"), grpc["purl"])
        self.assertRegex(bill["metadata"]["component"]["version"], r"^\d+\.\d+\.\d+$")

    def test_says_what_an_image_installs(self):
        packages = sbom("--packages", PROGRAM, MODULE).stdout.split()
        self.assertIn("libsentencepiece0", packages)
        self.assertNotIn("nlohmann-json3-dev", packages)

    def test_is_the_same_each_time(self):
        self.assertEqual(sbom(PROGRAM).stdout, sbom(PROGRAM).stdout)

    def test_a_library_that_no_package_owns_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder, "libforeign.so")
            program = pathlib.Path(folder, "program")
            subprocess.run(["g++", "-shared", "-o", library, "-x", "c++", "/dev/null"], check=True)
            subprocess.run(["g++", "-Wl,--no-as-needed", "-o", program, "-x", "c++", "-", "-x", "none", library],
                           input="int main() {}", text=True, check=True)
            said = sbom(program)
        self.assertNotEqual(said.returncode, 0)
        self.assertIn("no Debian package owns", said.stderr)
        self.assertIn("libforeign.so", said.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
