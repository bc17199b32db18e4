#!/usr/bin/env python3
"""Rules, dashboards and runbooks name what is there.

Each metric and label of infra/prometheus and infra/grafana is in metrics.txt; each alert has a case in the tests of rules and a
paragraph in the guide. With a binary in $GANTRY_TEST_BIN its own /metrics is read, too, and families of metrics.txt that it does
not have are printed; with --strict that is an error.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Words of the query language that look like labels or metrics.
ADDED_BY_PROMETHEUS = {"job", "instance", "le"}
STARTS_WITHIN_SECONDS = 30


def known_families():
    """Labels by the name of a series."""
    series = {"up": set()}
    for line in (ROOT / "tests/infra/metrics.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, kind, *labels = line.split()
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            series[name + suffix] = set(labels)
    return series


def rules():
    return [
        rule
        for group in yaml.safe_load((ROOT / "infra/prometheus/rules.yml").read_text())["groups"]
        for rule in group["rules"]
    ]


def expressions():
    """Where a query stands, and the query."""
    for rule in rules():
        yield f"rules.yml, {rule.get('alert') or rule['record']}", rule["expr"]
    for file in sorted((ROOT / "infra/grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{file.name}, {panel['title']}", target["expr"]


def check_expression(place, query, series, recorded):
    """What is wrong with a query."""
    names = re.findall(r"\b(gantry[a-z0-9_:]+|process_[a-z_]+|up)\b(?!\s*=)", re.sub(r'"[^"]*"', '""', query))
    labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"", query))
    for group in re.findall(r"\bby\s*\(([^)]*)\)", query):
        labels |= {label.strip() for label in group.split(",")}
    unknown = [name for name in names if name not in series and name not in recorded]
    allowed = ADDED_BY_PROMETHEUS.union(*(series.get(name, set()) for name in names))
    problems = [f"{place}: there is no {name}" for name in unknown]
    problems += [f"{place}: no family of it has the label {label}" for label in labels - allowed]
    return problems + ([] if names else [f"{place} names no metric: {query}"])


def check_alerts():
    """Alerts without a test, a paragraph or a link to it."""
    cases = [
        case
        for file in (ROOT / "infra/prometheus").glob("*.test.yml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    raised = {case["alertname"] for case in cases if case["exp_alerts"]}
    headings = set(re.findall(r"^## Alert (\w+)$", (ROOT / "web/guides/runbooks.md").read_text(), re.M))
    alerts = {rule["alert"]: rule["annotations"].get("runbook_url", "") for rule in rules() if "alert" in rule}
    problems = [f"no test raises {alert}" for alert in alerts.keys() - raised]
    problems += [f"the guide has no paragraph for {alert}" for alert in alerts.keys() - headings]
    problems += [f"the guide tells of {alert}, which is no alert" for alert in headings - alerts.keys()]
    problems += [
        f"{alert}: {url} does not lead to its paragraph"
        for alert, url in alerts.items()
        if not url.endswith(f"/docs/runbooks#alert-{alert.lower()}")
    ]
    return problems


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def samples_of(binary):
    """Names of the families that a fresh service has, and the labels of its samples by the name of the series."""
    with tempfile.TemporaryDirectory() as directory:
        listen = f"127.0.0.1:{free_port()}"
        env = {
            **os.environ,
            "GANTRY_DATA_DIR": directory,
            "GANTRY_LISTEN": listen,
            "GANTRY_STORE_LISTEN": f"127.0.0.1:{free_port()}",
        }
        service = subprocess.Popen([binary, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + STARTS_WITHIN_SECONDS
            while True:
                try:
                    # Some families come with the first request.
                    urllib.request.urlopen(f"http://{listen}/v1/limits").read()
                    text = urllib.request.urlopen(f"http://{listen}/metrics").read().decode()
                    break
                except OSError:
                    if time.monotonic() > deadline or service.poll() is not None:
                        raise
                    time.sleep(0.1)
        finally:
            service.terminate()
            service.wait()
    samples = {}
    for name, labels in re.findall(r"^([a-z0-9_]+)(?:\{(.*)\})? ", text, re.M):
        samples.setdefault(name, []).append(dict(re.findall(r'([a-z_]+)="([^"]*)"', labels)))
    return set(re.findall(r"^# TYPE (\S+)", text, re.M)), samples


def check_service(binary, series, asked):
    """Series, labels and values of labels that are named and that a fresh service does not have."""
    types, samples = samples_of(binary)
    for name, labels in series.items():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name != "up" and name not in samples and not types & {name, base, name.removesuffix("_total")}:
            yield f"/metrics does not have {name}"
        for label in labels - set().union(*samples.get(name, [labels])):
            yield f"{name} does not have the label {label}"
    for place, query in asked:
        for name, selector in re.findall(r"\b(gantry_[a-z0-9_]+)\{([^}]*)\}", query):
            for label, value in re.findall(r'([a-z_]+)="([^"$]+)"', selector):
                values = {sample.get(label) for sample in samples.get(name, [])}
                if label not in ADDED_BY_PROMETHEUS and values and value not in values:
                    yield f"{place}: {name} is never {label}={value}"


def main():
    strict = "--strict" in sys.argv[1:]
    series = known_families()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = list(expressions())
    problems = [
        problem for place, query in asked for problem in check_expression(place, query, series, recorded)
    ] + check_alerts()
    binary = os.environ.get("GANTRY_TEST_BIN")
    if binary:
        missing = sorted(check_service(binary, series, asked))
        if strict:
            problems += missing
        elif missing:
            print(f"note: {'; '.join(missing)}")
    for problem in problems:
        print(f"not ok: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"ok: {len(asked)} queries name {len(series)} known series; every alert has a test and a paragraph")


if __name__ == "__main__":
    main()
