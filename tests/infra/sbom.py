"""The bill of materials fits the schema of CycloneDX 1.6, names every crate of the program once with its digest and licence, and is the
same twice."""
import json
import os
import subprocess
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ENVIRONMENT = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}


def made():
    return subprocess.run(["infra/sbom.py"], check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT).stdout


text = made()
assert text == made(), "two runs differ"
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
assert problem is None, problem
bill = json.loads(text)
# The validator sees faults at all.
assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill | {"specVersion": 7})) is not None
assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z", bill["metadata"]

crates = {each["name"] for each in bill["components"]}
with open("Cargo.toml", "rb") as file:
    manifest = tomllib.load(file)
missing = [name for name, wish in manifest["dependencies"].items() if name not in crates and not (isinstance(wish, dict) and wish.get("optional"))]
assert not missing, f"not in the bill: {missing}"
for_tests = set(manifest["dev-dependencies"]) - set(manifest["dependencies"])
assert {"proptest", "jsonschema"} <= for_tests and not {"proptest", "jsonschema"} & crates, "crates for tests are in the bill"
assert all(each["hashes"][0]["alg"] == "SHA-256" for each in bill["components"]), "a crate has no digest"
unlicensed = [each["name"] for each in bill["components"] if "licenses" not in each]
# Its manifest names a file instead of an expression; deny.toml knows it.
assert unlicensed in ([], ["nom-exif"]), unlicensed
references = [each["bom-ref"] for each in bill["components"]]
assert len(references) == len(set(references)), "a crate is named twice"
known = {*references, bill["metadata"]["component"]["bom-ref"]}
edges = bill["dependencies"]
assert {each["ref"] for each in edges} == known, "dependencies and components differ"
assert all(other in known for each in edges for other in each["dependsOn"]), "an edge leads nowhere"
print(f"ok: the bill of materials has {len(references)} crates, fits CycloneDX 1.6, and is the same twice", file=sys.stdout)
