#!/usr/bin/env python3
"""Files of infra/ name settings that the binary knows, and what they set together is accepted by `gantry check-config`.

Usage: settings.py DOCKER-COMPOSE HELM. The binary is $GANTRY_TEST_BIN. Charts are rendered in several shapes; each object must be
one that Kubernetes' own schemas accept, and Kubernetes must wait longer than a node takes to end.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
BINARY = os.environ.get("GANTRY_TEST_BIN", str(ROOT / "target/debug/gantry"))
# Variables of the client commands, which are no settings.
NO_SETTINGS = {"GANTRY_URL", "GANTRY_API_KEY", "GANTRY_API_KEY_FILE", "GANTRY_CONFIG", "GANTRY_BUCKET", "GANTRY_COMMIT"}
SECRETS = {
    "GANTRY_DATABASE_URL": "postgres://gantry:secret@postgres/gantry",
    "GANTRY_SIGNING_KEY": "0123456789abcdef0123456789abcdef0123456789abcdef",
    "GANTRY_TRUSTED_PROXY_SECRET": "0123456789abcdef0123456789abcdef",
}
KUBERNETES = "1.31"
SHAPES = {
    "as it is": {},
    "embedded": {"embedded.enabled": "true", "ingress.enabled": "true", "serviceMonitor.enabled": "true"},
    "scaled": {"autoscaling.enabled": "true", "autoscaling.inFlight": "50", "workers.enabled": "true", "secrets.awsCredentials.name": "aws",
               "secrets.trustedProxySecret.name": "proxy", "ingress.enabled": "true", "networkPolicy.to[0].ipBlock.cidr": "10.0.0.0/8"},
    "watched": {"serviceMonitor.enabled": "true", "prometheusRule.enabled": "true", "dashboards.enabled": "true",
                "publicUrl": "https://other.example"},
}
# Kinds that are not Kubernetes' own.
MONITORING = {"ServiceMonitor", "PrometheusRule"}


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


def check_config(where, environment, words=()):
    """What `gantry check-config` says of an environment, with files of secrets in the place of those it names."""
    with tempfile.TemporaryDirectory() as directory:
        env = {"PATH": os.environ["PATH"]}
        for name, value in environment.items():
            if name.endswith("_FILE") and name.startswith("GANTRY_"):
                file = pathlib.Path(directory) / name
                file.write_text(SECRETS[name.removesuffix("_FILE")])
                value = str(file)
            env[name] = value
        checked = subprocess.run([BINARY, "check-config", *words], env=env, capture_output=True, text=True, cwd=directory)
        return [] if checked.returncode == 0 else [f"{where}: {checked.stdout}{checked.stderr}"]


def seconds(text):
    """A duration as settings and as Docker's tool write it: 30s, 1m0s."""
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


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
        missing = [secret["file"] for secret in composed["secrets"].values() if not pathlib.Path(secret["file"]).is_file()]
    problems = [f"secrets/make.sh does not make {file}" for file in missing]
    nodes = {name: service for name, service in composed["services"].items() if name.startswith("gantry-")}
    for name, service in nodes.items():
        environment = {variable: value or "" for variable, value in service["environment"].items()}
        problems += check_config(f"compose.yml, {name}", environment)
        if seconds(service["stop_grace_period"]) <= seconds(environment["GANTRY_SERVER__GRACE"]):
            problems.append(f"compose.yml kills {name} before its drain is over")
        if not environment["GANTRY_SERVER__PROXIES"].startswith(service["networks"]["inside"]["ipv4_address"].rsplit(".", 1)[0]):
            problems.append(f"compose.yml: {name} does not trust nginx' network")
    declared = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", (INFRA / ".env.example").read_text(), re.M))
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", (INFRA / "compose.yml").read_text())) | set(
        re.findall(r"^    (GANTRY_[A-Z0-9_]+):$", (INFRA / "compose.yml").read_text(), re.M))
    problems += [f".env.example and compose.yml do not agree on {name}" for name in declared ^ used]
    return problems if len(nodes) == 2 else [*problems, "compose.yml does not have two nodes"]


def render(helm, values):
    words = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    rendered = subprocess.run([helm, "template", "files", str(INFRA / "helm/gantry"), *words], capture_output=True, text=True)
    if rendered.returncode != 0:
        raise SystemExit(f"not ok: helm template {values}: {rendered.stderr}")
    return rendered.stdout


def check_pod(where, spec, embedded):
    problems = []
    for container in spec["containers"]:
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
        problems += check_config(where, environment)
        if container["args"] == ["serve"]:
            waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
            if spec["terminationGracePeriodSeconds"] <= waits + seconds(environment["GANTRY_SERVER__GRACE"]):
                problems.append(f"{where}: Kubernetes kills the node before its drain is over")
            paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
            if paths != ["/livez", "/livez", "/readyz"]:
                problems.append(f"{where}: {paths}")
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        there = {volume["name"] for volume in spec["volumes"]} | ({"data"} if embedded else set())
        problems += [f"{where} mounts {name}, which is no volume" for name in mounted - there]
        if container["securityContext"].get("readOnlyRootFilesystem") is not True or spec["securityContext"].get("runAsNonRoot") is not True:
            problems.append(f"{where} may write, or is root")
    return problems


def check_chart(helm):
    linted = subprocess.run([helm, "lint", "--strict", str(INFRA / "helm/gantry")], capture_output=True, text=True)
    problems = [] if linted.returncode == 0 else [f"helm lint: {linted.stdout}{linted.stderr}"]
    validate = shutil.which("kubernetes-validate", path=os.path.dirname(sys.executable)) or "kubernetes-validate"
    for shape, values in SHAPES.items():
        objects = [item for item in yaml.safe_load_all(render(helm, values)) if item]
        own = [item for item in objects if item["kind"] not in MONITORING]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump_all(own, file)
            file.flush()
            said = subprocess.run([validate, "-k", KUBERNETES, "--strict", "--quiet", file.name], capture_output=True, text=True)
        if said.returncode != 0:
            problems.append(f"the chart {shape}: {said.stdout}{said.stderr}")
        for item in own:
            if item["kind"] in ("Deployment", "StatefulSet", "Job"):
                where = f"the chart {shape}, {item['kind']} {item['metadata']['name']}"
                problems += check_pod(where, item["spec"]["template"]["spec"], item["kind"] == "StatefulSet")
        if shape == "watched":
            rules = next(item for item in objects if item["kind"] == "PrometheusRule")
            urls = [rule["annotations"]["runbook_url"] for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
            if not urls or not all(url.startswith("https://other.example/docs/runbooks#") for url in urls):
                problems.append(f"the chart's rules lead elsewhere: {urls[:1]}")
    refused = subprocess.run([helm, "template", "x", str(INFRA / "helm/gantry"), "--set", "replica=3"], capture_output=True, text=True)
    return problems if refused.returncode != 0 else [*problems, "values.schema.json takes a value that does not exist"]


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
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*)$", (INFRA / "Dockerfile").read_text(), re.M) for name in line.split()[:-1]]
    through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    problems = [f".dockerignore keeps {name} from the Dockerfile" for name in copied if name.removeprefix("./").rstrip("*") not in through]
    problems += [f"the Dockerfile copies {name}, which is not there" for name in copied if not name.endswith("*") and not (ROOT / name).exists()]
    with tempfile.TemporaryDirectory() as directory:
        for name in (name for pattern in copied for name in map(str, ROOT.glob(pattern))):
            to = pathlib.Path(directory) / pathlib.Path(name).relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.symlink_to(name)
        read = subprocess.run(["cargo", "metadata", "--offline", "--no-deps", "--format-version", "1"], cwd=directory, capture_output=True, text=True)
        if read.returncode != 0:
            problems.append(f"the Dockerfile copies too little: {read.stderr}")
    return problems


def check_access():
    """The actions that Terraform allows are those that the calls of the source need."""
    actions = {"put_object": "PutObject", "get_object": "GetObject", "head_object": "GetObject", "delete_object": "DeleteObject",
               "create_multipart_upload": "PutObject", "upload_part": "PutObject", "complete_multipart_upload": "PutObject",
               "abort_multipart_upload": "AbortMultipartUpload", "list_parts": "ListMultipartUploadParts",
               "list_objects_v2": "ListBucket", "list_multipart_uploads": "ListBucketMultipartUploads"}
    source = "".join(file.read_text() for file in (ROOT / "src/blob/s3").glob("*.rs"))
    calls = set(re.findall(r"\bclient\s*\.\s*([a-z0-9_]+)\(\)", source)) | set(re.findall(r"\.([a-z0-9_]+)\(\)\s*\.bucket\(", source))
    unknown = calls - actions.keys() - {"request", "config"}
    allowed = set(re.findall(r'"s3:([A-Za-z]+)"', (INFRA / "terraform/iam.tf").read_text()))
    needed = {actions[call] for call in calls & actions.keys()}
    problems = [f"nobody says what {call} of src/blob/s3 needs" for call in unknown]
    if allowed != needed:
        problems.append(f"iam.tf and src/blob/s3 do not agree on {sorted(allowed ^ needed)}")
    return problems


def main():
    compose, helm = sys.argv[1:3]
    problems = check_names(known_settings()) + check_compose(compose) + check_chart(helm) + check_package_settings() + check_access()
    problems += check_commands() + check_image()
    for problem in problems:
        print(f"not ok: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"ok: settings of infra/ are the binary's; compose config, helm lint and template ({len(SHAPES)} shapes), access to the bucket")


if __name__ == "__main__":
    main()
