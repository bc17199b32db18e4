#!/usr/bin/env bash
# Metrics as Prometheus and the Python client library read them: `promtool check metrics` on the classic text, both Python
# parsers, the same families in both, before and after something has happened.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill "$(cat "$work/pid")" 2>/dev/null; rm -rf "$work"' EXIT
source tests/clients/service.sh

export GANTRY_DATA_DIR=$work/data GANTRY_LISTEN=127.0.0.1:$(port) GANTRY_STORE_LISTEN=127.0.0.1:$(port)
gantry=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")
"$gantry" serve >"$work/out" 2>"$work/log" & echo $! >"$work/pid"
for _ in $(seq 300); do curl -sf "http://$GANTRY_LISTEN/readyz" >/dev/null && break || sleep 0.1; done
eval "$(grep -o 'export GANTRY_URL=.*' "$work/out")"

# scrape NAME: both texts, as Prometheus asks for them, checked by promtool and both parsers.
scrape() {
  local open='application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'
  curl -sSf "$GANTRY_URL/metrics" >"$work/$1.classic"
  curl -sSf -H "Accept: $open" "$GANTRY_URL/metrics" >"$work/$1.open"
  if ! promtool check metrics <"$work/$1.classic" >"$work/$1.lint" 2>&1 || [ -s "$work/$1.lint" ]; then
    cat "$work/$1.lint" >&2
    echo "not ok: promtool" >&2
    exit 1
  fi
  echo "ok: promtool finds nothing in $(grep -c '^# TYPE' "$work/$1.classic") families $1"
  python - "$work/$1.classic" "$work/$1.open" <<'PYTHON'
import sys
from prometheus_client import openmetrics, parser
from prometheus_client.openmetrics import parser as open_parser

classic, open_metrics = (open(path).read() for path in sys.argv[1:])
classic = {family.name: family for family in parser.text_string_to_metric_families(classic)}
strict = {family.name: family for family in open_parser.text_string_to_metric_families(open_metrics)}
assert classic.keys() == strict.keys(), classic.keys() ^ strict.keys()
assert len(strict) > 55, sorted(strict)
for name, family in strict.items():
    assert name.startswith(("gantry_", "process_")), name
    assert family.documentation.endswith(".") and len(family.documentation) > 20, (name, family.documentation)
    assert family.samples, name
    for label in {label for sample in family.samples for label in sample.labels}:
        assert label not in ("tenant", "asset", "upload", "path", "url"), (name, label)
buckets = [float(sample.labels["le"]) for sample in strict["gantry_http_request_seconds"].samples
           if sample.name.endswith("_bucket") and sample.labels["route"] == "/metrics"][:-1]
assert buckets[0] <= 0.0005 and buckets[-1] >= 60 and all(b / a < 1.61 for a, b in zip(buckets, buckets[1:])), buckets
assert "status" not in {label for sample in strict["gantry_http_request_seconds"].samples for label in sample.labels}
print(f"ok: both Python parsers read the same {len(strict)} families")
PYTHON
}

scrape before
head -c 200000 /dev/urandom >"$work/file.bin"
"$gantry" put "$work/file.bin" --quiet >/dev/null
curl -s -o /dev/null -H 'Authorization: Bearer gk_wrong' "$GANTRY_URL/v1/assets"
scrape after
grep -q '^gantry_uploads_completed_total 1$' "$work/after.classic"
grep -q '^gantry_auth_failures_total{reason="key"} 1$' "$work/after.classic"
echo "ok: what was done is counted"
