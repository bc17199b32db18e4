#!/usr/bin/env python3
"""Prints the bill of materials of the program as CycloneDX 1.6: every crate that is compiled into it, from Cargo.lock.

    infra/sbom.py [--target TRIPLE] [--features LIST] > gantry.cdx.json

Nothing is fetched or built: `cargo metadata --locked` says what the lock file resolves to. Crates for tests alone are left out. The
same lock file gives the same bytes: the serial number is made of the content, and the time is SOURCE_DATE_EPOCH, or the commit's.
"""
import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def timestamp():
    """Time of the document in seconds since 1970."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(epoch)
    return int(run("git", "log", "-1", "--format=%ct"))


def reachable(resolve):
    """Dependencies by package, of those that the program is built from or by; crates for tests alone are none of them."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found, waiting = {}, [resolve["root"]]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        kept = [dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
        found[package] = sorted(set(kept))
        waiting += kept
    return found


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    """A crate. `checksums`: SHA-256 of the archives in the registry, by name and version."""
    made = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        "scope": "required",
    }
    if package["description"]:
        made["description"] = " ".join(package["description"].split())
    if package["license"]:
        # Old crates write "MIT/Apache-2.0" where SPDX has OR.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def document(target, features):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(run(*command, *(["--features", features] if features else [])))
    packages = {package["id"]: package for package in metadata["packages"]}
    dependencies = reachable(metadata["resolve"])
    root = packages[metadata["resolve"]["root"]]
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(each["name"], each["version"]): each["checksum"] for each in lock["package"] if "checksum" in each}
    foreign = [packages[id]["name"] for id in dependencies if packages[id] is not root and packages[id]["source"] != REGISTRY]
    if foreign:
        sys.exit(f"sbom.py: crates that are not of the registry: {', '.join(foreign)}")
    program = component(root, checksums) | {"type": "application"}
    del program["scope"]
    time = datetime.datetime.fromtimestamp(timestamp(), datetime.UTC)
    made = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": program,
            "properties": [{"name": "gantry:target", "value": target}],
        },
        "components": sorted(
            (component(packages[id], checksums) for id in dependencies if packages[id] is not root), key=lambda each: each["bom-ref"]
        ),
        "dependencies": sorted(
            (
                {"ref": reference(packages[id]), "dependsOn": sorted(reference(packages[other]) for other in others)}
                for id, others in dependencies.items()
            ),
            key=lambda each: each["ref"],
        ),
    }
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return {"$schema": made.pop("$schema"), "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"} | made


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--target", default="x86_64-unknown-linux-gnu")
    arguments.add_argument("--features", default="")
    chosen = arguments.parse_args()
    json.dump(document(chosen.target, chosen.features), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
