#!/usr/bin/env python3
"""Files of infra/ name settings that the binary knows, and what they set together is accepted by `gantry check-config`.

Usage: settings.py DOCKER-COMPOSE HELM. The binary is $GANTRY_TEST_BIN.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

from binary import BINARY, INFRA, ROOT, check_config, seconds
from chart import SHAPES, check_chart

# Variables of the client commands, which are no settings.
NO_SETTINGS = {"GANTRY_URL", "GANTRY_API_KEY", "GANTRY_API_KEY_FILE", "GANTRY_CONFIG", "GANTRY_BUCKET", "GANTRY_COMMIT"}


def flatten(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def known_settings():
    printed = subprocess.run([BINARY, "check-config", "--defaults"], check=True, capture_output=True, text=True).stdout
    return set(flatten(tomllib.loads(printed)))


def check_names(known):
    """Variables and settings that infra/ names and the binary does not have."""
    variables = {"GANTRY_" + name.upper().replace(".", "__") for name in known}
    sections = {name.split(".")[0] for name in known if "." in name}
    problems = []
    for file in sorted(path for path in INFRA.rglob("*") if path.is_file() and not path.is_symlink()):
        text = file.read_text()
        for name in set(re.findall(r"\bGANTRY_[A-Z0-9_]*[A-Z0-9]\b", text)):
            if name.removesuffix("_FILE") not in variables and name not in NO_SETTINGS:
                problems.append(f"{file.relative_to(ROOT)} sets {name}, which is no setting")
        for name in set(re.findall(rf"(?<![\w./-])((?:{'|'.join(sections)})\.[a-z_]+)\b(?![./(-])", text)):
            # Names of files and of the chart's values look alike.
            if name not in known and not name.endswith((".conf", ".toml", ".service")):
                problems.append(f"{file.relative_to(ROOT)} names {name}, which is no setting")
    return problems


def check_compose(compose):
    """The composition with the example's values, as Docker's own tool reads it."""
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / "infra"
        shutil.copytree(INFRA, copy)
        shutil.copy(copy / ".env.example", copy / ".env")
        subprocess.run(["bash", "secrets/make.sh"], cwd=copy, check=True)
        command = [compose, "-f", "compose.yml", "--profile", "nats", "config", "--format", "json"]
        read = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        if read.returncode != 0:
            return [f"compose.yml: {read.stderr}"]
        if "variable is not set" in read.stderr:
            return [f"compose.yml and .env.example: {read.stderr}"]
        composed = json.loads(read.stdout)
        missing = [
            secret["file"] for secret in composed["secrets"].values() if not pathlib.Path(secret["file"]).is_file()
        ]
    problems = [f"secrets/make.sh does not make {file}" for file in missing]
    nodes = {name: service for name, service in composed["services"].items() if name.startswith("gantry-")}
    for name, service in nodes.items():
        environment = {variable: value or "" for variable, value in service["environment"].items()}
        problems += check_config(f"compose.yml, {name}", environment)
        if seconds(service["stop_grace_period"]) <= seconds(environment["GANTRY_SERVER__GRACE"]):
            problems.append(f"compose.yml kills {name} before its drain is over")
        if not environment["GANTRY_SERVER__PROXIES"].startswith(
            service["networks"]["inside"]["ipv4_address"].rsplit(".", 1)[0]
        ):
            problems.append(f"compose.yml: {name} does not trust nginx' network")
    declared = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", (INFRA / ".env.example").read_text(), re.M))
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", (INFRA / "compose.yml").read_text())) | set(
        re.findall(r"^    (GANTRY_[A-Z0-9_]+):$", (INFRA / "compose.yml").read_text(), re.M)
    )
    problems += [f".env.example and compose.yml do not agree on {name}" for name in declared ^ used]
    return problems if len(nodes) == 2 else [*problems, "compose.yml does not have two nodes"]


def check_package_settings():
    """The package's settings as they come, and with every line that is commented out."""
    settings = (INFRA / "debian/gantry.toml").read_text()
    commented = re.sub(r"^# (?=[a-z_]+ = )", "", settings, flags=re.M)
    environment = dict(re.findall(r"^# (GANTRY_[A-Z_]+_FILE)=(.*)$", (INFRA / "debian/gantry.env").read_text(), re.M))
    problems = []
    for text, env in ((settings, {}), (commented, environment)):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            problems += check_config("infra/debian/gantry.toml", env, ["--config", file.name])
    return problems


def check_commands():
    """Commands of units, as the binary's own help takes their words."""
    problems = []
    for file in sorted((INFRA / "systemd").glob("*.service")):
        for line in re.findall(r"^Exec\w+=/usr/bin/gantry (.*)$", file.read_text(), re.M):
            command = line.split()
            helped = subprocess.run([BINARY, *command[:1], "--help"], capture_output=True, text=True)
            if helped.returncode != 0:
                print(f"note: this build has no command {command[0]}, which {file.name} runs")
                continue
            missing = [word for word in command if word.startswith("--") and word not in helped.stdout]
            problems += [f"{file.name}: `gantry {command[0]}` has no {word}" for word in missing]
    return problems


def check_image():
    """The files that the Dockerfile copies are there, let through by .dockerignore, and enough for the manifest."""
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", (INFRA / "Dockerfile").read_text(), re.M)
        for name in line.split()[:-1]
    ]
    through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    problems = [
        f".dockerignore keeps {name} from the Dockerfile"
        for name in copied
        if name.removeprefix("./").rstrip("*") not in through
    ]
    problems += [
        f"the Dockerfile copies {name}, which is not there"
        for name in copied
        if not name.endswith("*") and not (ROOT / name).exists()
    ]
    with tempfile.TemporaryDirectory() as directory:
        for name in (name for pattern in copied for name in map(str, ROOT.glob(pattern))):
            to = pathlib.Path(directory) / pathlib.Path(name).relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.symlink_to(name)
        read = subprocess.run(
            ["cargo", "metadata", "--offline", "--no-deps", "--format-version", "1"],
            cwd=directory,
            capture_output=True,
            text=True,
        )
        if read.returncode != 0:
            problems.append(f"the Dockerfile copies too little: {read.stderr}")
    return problems


def check_access():
    """The actions that Terraform allows are those that the calls of the source need."""
    actions = {
        "put_object": "PutObject",
        "get_object": "GetObject",
        "head_object": "GetObject",
        "delete_object": "DeleteObject",
        "create_multipart_upload": "PutObject",
        "upload_part": "PutObject",
        "complete_multipart_upload": "PutObject",
        "abort_multipart_upload": "AbortMultipartUpload",
        "list_parts": "ListMultipartUploadParts",
        "list_objects_v2": "ListBucket",
        "list_multipart_uploads": "ListBucketMultipartUploads",
    }
    source = "".join(file.read_text() for file in (ROOT / "src/blob/s3").glob("*.rs"))
    calls = set(re.findall(r"\bclient\s*\.\s*([a-z0-9_]+)\(\)", source)) | set(
        re.findall(r"\.([a-z0-9_]+)\(\)\s*\.bucket\(", source)
    )
    unknown = calls - actions.keys() - {"request", "config"}
    allowed = set(re.findall(r'"s3:([A-Za-z]+)"', (INFRA / "terraform/iam.tf").read_text()))
    needed = {actions[call] for call in calls & actions.keys()}
    problems = [f"nobody says what {call} of src/blob/s3 needs" for call in unknown]
    if allowed != needed:
        problems.append(f"iam.tf and src/blob/s3 do not agree on {sorted(allowed ^ needed)}")
    return problems


def main():
    compose, helm = sys.argv[1:3]
    problems = (
        check_names(known_settings())
        + check_compose(compose)
        + check_chart(helm)
        + check_package_settings()
        + check_access()
    )
    problems += check_commands() + check_image()
    for problem in problems:
        print(f"not ok: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(
        f"ok: settings of infra/ are the binary's; compose config, helm lint and template ({len(SHAPES)} shapes), access to the bucket"
    )


if __name__ == "__main__":
    main()
