"""Checks a bill of materials against CycloneDX's own schema: sbom_schema.py FILE"""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

bill = pathlib.Path(sys.argv[1])
fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill.read_text(encoding="utf-8"))
if fault:
    sys.exit(f"{bill}: {fault}")
print(f"{bill}: valid CycloneDX 1.5")
