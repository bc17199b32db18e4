"""The contract as Schemathesis takes it: every operation is called with what its schema allows and with what it does not,
with ids of things that exist. No answer may be a 5xx, or have a status, a type, a header or a shape that is not declared.
"""

import os
import subprocess
import sys
import urllib.request

from service import Service

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth"
)
# The same calls every time, as far as ids allow; another seed finds other things.
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
# It asks for a great many things that do not exist, all from one address.
service = Service(GANTRY_LIMITS__FAILURES_PER_ADDRESS="0")


def made(path, body, *names):
    status, answer = service.ask("POST", path, body)
    assert status in (200, 201), (path, status, answer)
    for name in names:
        answer = answer[name]
    return answer


def ready_asset():
    opened = made("/v1/uploads", {"filename": "a.txt", "size": 5, "method": "put"})
    put = opened["put"]
    urllib.request.urlopen(urllib.request.Request(put["url"], b"hello", put["headers"], method="PUT")).close()
    made(f"/v1/uploads/{opened['upload']['id']}/complete", {})
    status, asset = service.ask("GET", f"/v1/assets/{opened['asset']['id']}?wait=60s&until=ready")
    assert status == 200 and asset["state"] == "ready", asset
    return asset["id"]


def configured(things):
    """Which operations are called with which ids, as a file."""
    path = f"{service.dir}/schemathesis.toml"
    with open(path, "w") as file:
        file.write('parameters = { "query.wait" = "0s" }\n')
        for at, ids in things.items():
            said = ", ".join(f'"path.{name}" = "{value}"' for name, value in ids.items())
            file.write(f'[[operations]]\ninclude-path-regex = "^{at}"\nparameters = {{ {said} }}\n')
    return path


def run(config, *which):
    schemathesis = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    command = [
        *[schemathesis, "--config-file", config, "--no-color", "run", f"{service.url}/openapi.json"],
        *["--header", f"Authorization: Bearer {service.key}", "--checks", CHECKS, "--max-examples", "3", "--seed", SEED],
        *["--phases", "examples,coverage,fuzzing", "--request-timeout", "60", *which],
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
    # What it remembers goes with the service.
    return subprocess.run(command, env={**os.environ, **hooks}, cwd=service.dir).returncode


upload = made("/v1/uploads", {"filename": "b.bin", "size": 20 << 20, "method": "multipart"}, "upload", "id")
config = configured({
    "/v1/assets/": {"id": ready_asset()},
    "/v1/uploads/": {"id": upload},
    "/s3/multipart/": {"id": upload},
    "/v1/webhooks/": {"id": made("/v1/webhooks", {"url": "https://example.com/hook"}, "id")},
})
# It finds the ids of keys and tenants, and takes away its own: these come last.
own = "^/v1/(keys|tenants)"
failed = run(config, "--exclude-path-regex", own) or run(config, "--include-path-regex", own)
log = open(f"{service.dir}/log.txt").read()
assert "panicked" not in log, log
sys.exit(failed)
