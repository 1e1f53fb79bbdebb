"""/openapi.json is valid, and requests made from it, right and wrong, get no server error and what it promises."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import live
from openapi_spec_validator import validate

EXAMPLES = os.environ.get("TRIMTAB_FUZZ_EXAMPLES", "100")  # Of requests for each operation.
SEED = os.environ.get("TRIMTAB_FUZZ_SEED", "1")

# What a schema cannot say (weights sum to 1, an article is not blank) is refused with a message that names the field. httplib
# knows no method QUERY and calls it no HTTP; that other methods get 405 is an everyday test.
LEFT_OUT = "positive_data_acceptance,unsupported_method"


class OpenApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.document = cls.enterClassContext(live.gateway()) + "/openapi.json"

    def test_the_document_is_valid(self):
        with urllib.request.urlopen(self.document) as reply:
            validate(json.load(reply))

    def test_requests_made_from_it_are_answered_as_it_says(self):
        command = [sys.executable, "-m", "schemathesis.cli", "run", self.document, "--checks", "all", "--exclude-checks", LEFT_OUT,
                   "--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none", "--no-color"]
        with tempfile.TemporaryDirectory() as folder:  # It leaves a cache where it runs.
            ran = subprocess.run(command, check=False, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(ran.stdout[-4000:])
        self.assertEqual(ran.returncode, 0)


if __name__ == "__main__":
    unittest.main()
