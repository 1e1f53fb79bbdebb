#!/usr/bin/env python3
"""What the programs are made of, as CycloneDX 1.5: ./dev sbom, or sbom.py [--packages] PROGRAM...

Components are the Debian packages whose shared libraries a PROGRAM loads or whose headers are all there is of them
("required"), those that building and testing take besides ("excluded"), and what this repository carries of others. Versions
are those installed here, and one machine gives the same bytes each time.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
from urllib.parse import quote

ROOT = pathlib.Path(__file__).parents[1]
LOADED = re.compile(r"=> (/\S+) \(0x|^\s*(/\S+) \(0x", re.MULTILINE)
COMPILED_IN = {"libcli11-dev", "librandom123-dev", "nlohmann-json3-dev"}  # Headers without a library.
# Carried in proto/ and model/sentencepiece_proto, with their notices.
VENDORED = (("googleapis", "google/rpc", "Apache-2.0"), ("sentencepiece", "sentencepiece_model.proto", "Apache-2.0"))


def output(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def listed(path):
    """The packages that a list names."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line}


def owners(files):
    """The packages that own `files`, some of which are owned by what they were called before /lib moved into /usr."""
    names = sorted(name for file in files for name in (file, file.removeprefix("/usr")))
    said = subprocess.run(["dpkg-query", "--search", *names], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout
    found = dict(reversed(line.split(": ", 1)) for line in said.splitlines())
    unowned = [file for file in files if not {file, file.removeprefix("/usr")} & set(found)]
    if unowned:
        raise SystemExit(f"sbom: no Debian package owns {', '.join(unowned)}")
    return {owner.split(":")[0] for owner in found.values()}


def loaded(program):
    """The packages that own what `program` loads."""
    said = output("ldd", program)
    missing = re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)
    if missing:
        raise SystemExit(f"sbom: {program} does not find {', '.join(missing)}: install deploy/apt-packages.txt")
    files = {str(pathlib.Path(a or b).resolve()) for a, b in LOADED.findall(said)}
    return owners({file for file in files if not pathlib.Path(file).is_relative_to(ROOT)})  # Others' files, not ours.


def components(packages):
    """A component for each package, as it is installed here."""
    shown = output("dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n", *sorted(packages))
    for name, version, architecture in (line.split("\t") for line in shown.splitlines()):
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro=bookworm"
        scope = "required" if packages[name] else "excluded"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "scope": scope}


def vendored():
    for name, files, terms in VENDORED:
        yield {"type": "file", "bom-ref": name, "name": name, "description": files, "scope": "required",
               "licenses": [{"license": {"id": terms}}]}


def release():
    return re.search(r"^project\(trimtab VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]


def bill(programs):
    required = COMPILED_IN.union(*(loaded(program) for program in programs))
    packages = {name: name in required for name in required | listed(ROOT / "deploy/apt-packages.txt")}
    parts = [*components(packages), *vendored()]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {"type": "application", "bom-ref": "trimtab", "name": "trimtab", "version": release(),
                                       "licenses": [{"license": {"id": "Apache-2.0"}}]}},
            "components": parts,
            "dependencies": [{"ref": "trimtab",
                              "dependsOn": [part["bom-ref"] for part in parts if part["scope"] == "required"]}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    parser.add_argument("--packages", action="store_true", help="only the names of the packages that running them takes")
    arguments = parser.parse_args()
    if arguments.packages:
        print(*sorted(set().union(*map(loaded, arguments.programs))), sep="\n")
        return
    json.dump(bill(arguments.programs), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
