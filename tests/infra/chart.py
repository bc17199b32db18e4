"""The Helm chart, rendered in several shapes: each object is one that Kubernetes' own schemas accept, its settings are the binary's, and
Kubernetes waits longer than a node takes to end.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import yaml
from binary import INFRA, check_config, seconds

KUBERNETES = "1.31"
SHAPES = {
    "as it is": {},
    "embedded": {"embedded.enabled": "true", "ingress.enabled": "true", "serviceMonitor.enabled": "true"},
    "scaled": {
        "autoscaling.enabled": "true",
        "autoscaling.inFlight": "50",
        "workers.enabled": "true",
        "secrets.awsCredentials.name": "aws",
        "secrets.trustedProxySecret.name": "proxy",
        "ingress.enabled": "true",
        "networkPolicy.to[0].ipBlock.cidr": "10.0.0.0/8",
    },
    "watched": {
        "serviceMonitor.enabled": "true",
        "prometheusRule.enabled": "true",
        "dashboards.enabled": "true",
        "publicUrl": "https://other.example",
    },
}
# Kinds that are not Kubernetes' own.
MONITORING = {"ServiceMonitor", "PrometheusRule"}


def render(helm, values):
    words = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    rendered = subprocess.run(
        [helm, "template", "files", str(INFRA / "helm/gantry"), *words], capture_output=True, text=True
    )
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
            paths = [
                container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            ]
            if paths != ["/livez", "/livez", "/readyz"]:
                problems.append(f"{where}: {paths}")
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        there = {volume["name"] for volume in spec["volumes"]} | ({"data"} if embedded else set())
        problems += [f"{where} mounts {name}, which is no volume" for name in mounted - there]
        if (
            container["securityContext"].get("readOnlyRootFilesystem") is not True
            or spec["securityContext"].get("runAsNonRoot") is not True
        ):
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
            said = subprocess.run(
                [validate, "-k", KUBERNETES, "--strict", "--quiet", file.name], capture_output=True, text=True
            )
        if said.returncode != 0:
            problems.append(f"the chart {shape}: {said.stdout}{said.stderr}")
        for item in own:
            if item["kind"] in ("Deployment", "StatefulSet", "Job"):
                where = f"the chart {shape}, {item['kind']} {item['metadata']['name']}"
                problems += check_pod(where, item["spec"]["template"]["spec"], item["kind"] == "StatefulSet")
        if shape == "watched":
            rules = next(item for item in objects if item["kind"] == "PrometheusRule")
            urls = [
                rule["annotations"]["runbook_url"]
                for group in rules["spec"]["groups"]
                for rule in group["rules"]
                if "alert" in rule
            ]
            if not urls or not all(url.startswith("https://other.example/docs/runbooks#") for url in urls):
                problems.append(f"the chart's rules lead elsewhere: {urls[:1]}")
    refused = subprocess.run(
        [helm, "template", "x", str(INFRA / "helm/gantry"), "--set", "replica=3"], capture_output=True, text=True
    )
    return problems if refused.returncode != 0 else [*problems, "values.schema.json takes a value that does not exist"]
