#!/usr/bin/env bash
# The libraries of web/sdk, as their users get them: wheels and npm tarballs are made, installed and tested against the real binary
# (GANTRY_TEST_BIN), and the code of their guides is run. Words choose among types, native, python_client, js_client, django_package,
# guides and pages. Needs Chromium and the packages of tests/clients, which tests/run.sh installs.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
venv=${SDK_VENV:-$root/.tools/sdk}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
GANTRY_TEST_BIN=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")
export GANTRY_TEST_BIN

if ! cmp -s tests/sdk/requirements.txt "$venv/installed.txt"; then
  echo "installing from PyPI into $venv: $(tr '\n' ' ' <tests/sdk/requirements.txt)"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r tests/sdk/requirements.txt
  cp tests/sdk/requirements.txt "$venv/installed.txt"
fi

# Builds and packs without a network, from copies: nothing is left in the sources.
distributions() {
  mkdir "$work/dist" "$work/sources"
  local name
  for name in python django; do
    cp -r "web/sdk/$name" "$work/sources/$name"
    "$venv/bin/python" -m build --no-isolation --outdir "$work/dist" "$work/sources/$name" >"$work/build-$name.log" 2>&1 ||
      { cat "$work/build-$name.log" >&2; return 1; }
  done
  (cd web/uploader && npm pack --silent --pack-destination "$work/dist" >/dev/null)
  (cd web/sdk/js && npm pack --silent --pack-destination "$work/dist" >/dev/null)
  "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --no-index --force-reinstall "$work"/dist/*.whl
  mkdir -p "$work/js/test"
  echo '{ "private": true, "type": "module" }' >"$work/js/package.json"
  (cd "$work/js" && npm install --silent --offline --no-audit --no-fund "$work"/dist/*.tgz)
  echo "ok: made and installed $(cd "$work/dist" && echo *)"
}

types() {
  "$venv/bin/python" web/sdk/python/tools/make_sync.py --check
  (cd web/sdk/python && "$venv/bin/mypy" --cache-dir "$work/mypy")
  tests/clients/node_modules/.bin/tsc --project web/sdk/js/tsconfig.json --outDir "$work/types"
  diff -r web/sdk/js/types "$work/types" || { echo "web/sdk/js/types is out of date: npm run types" >&2; return 1; }
  # As users see them: the guides' programs are checked against what is installed.
  mkdir "$work/typed"
  "$venv/bin/python" tests/sdk/guide.py python "$work/typed/guide.py"
  "$venv/bin/mypy" --strict --config-file= --cache-dir "$work/mypy" --python-executable "$venv/bin/python" "$work/typed/guide.py"
  cat >"$work/js/typed.ts" <<'TYPESCRIPT'
import { Client, GantryError, verifyWebhook, type Asset, type Link } from "@gantry/client";

const client = new Client({ url: "https://files.example", token: async () => "gu_" });
const asset: Asset = await client.upload(new Blob(["a"]), { onProgress: ({ sent }) => sent.toFixed() });
const link: Link & { url: string } = await client.links.create(asset.id, { uses: 1 });
for await (const event of client.events.follow({ after: 0 })) event.type.startsWith(link.url);
for await (const { filename } of client.assets.list({ state: "ready" })) filename.trim();
// @ts-expect-error: an asset has no such member.
asset.nothing;
const { data } = await verifyWebhook("{}", {}, ["whsec_"]).catch((error: GantryError) => { throw error.code; });
data.asset_id.trim();
TYPESCRIPT
  (cd "$work/js" && "$root/tests/clients/node_modules/.bin/tsc" --strict --noEmit --target es2022 --lib es2023,dom,dom.iterable,dom.asynciterable \
    --module nodenext typed.ts)
  echo "ok: types"
}

python_client() {
  PYTHONPATH=$root/tests/clients "$venv/bin/python" -W ignore web/sdk/python/tests/test_client.py
}

js_client() {
  cp web/sdk/js/test/*.js "$work/js/test"
  SERVICE_MODULE=$root/tests/clients/service.mjs node --test --test-reporter=spec "$work"/js/test/*.test.js
}

# with_service COMMAND…: runs it beside a service, whose address and key are in the environment.
with_service() {
  PYTHONPATH=$root/tests/clients "$venv/bin/python" - "$@" <<'PYTHON'
import os, subprocess, sys
from service import Service

service = Service(GANTRY_WEBHOOKS__ALLOW_HTTP="true", GANTRY_WEBHOOKS__ALLOW_NETWORKS="127.0.0.0/8")
env = {**os.environ, "GANTRY_URL": service.url, "GANTRY_API_KEY": service.key}
sys.exit(subprocess.run(sys.argv[1:], env=env).returncode)
PYTHON
}

django_package() {
  "$venv/bin/python" tests/sdk/guide.py project "$work/project"
  cp web/sdk/django/tests/test_gantry.py "$work/project/library/tests.py"
  DJANGO_GUIDE=$(realpath web/guides/django.md)
  export DJANGO_GUIDE
  cd "$work/project"
  with_service bash -o pipefail -c "'$venv/bin/python' manage.py makemigrations --verbosity 0 library && '$venv/bin/python' -W ignore manage.py test --verbosity 2 2>&1 | grep -v Applying"
}

guides() {
  mkdir "$work/guides"
  "$venv/bin/python" tests/sdk/guide.py python "$work/guides/guide.py"
  "$venv/bin/python" tests/sdk/guide.py javascript "$work/js/guide.mjs"
  cd "$work/guides"
  with_service "$venv/bin/python" guide.py >python.txt
  grep -q "asset.ready" python.txt
  cd "$work/js"
  with_service node guide.mjs >guide.txt 2>guide.err
  grep -q "asset.ready" guide.txt
  # console.assert only writes.
  if grep "Assertion failed" guide.err; then return 1; fi
  echo "ok: the guides' programs"
}

pages() {
  SDK_PYTHON=$venv/bin/python SDK_INSTALLED=$work/js node --test --test-reporter=spec tests/sdk/*.test.mjs
}


# Without a toolchain for them, the files for Swift and Kotlin are only parsed.
native() {
  "$venv/bin/python" tests/sdk/native.py
}

distributions
failed=0
began=$SECONDS
pids=()
names=("$@")
[ $# -gt 0 ] || names=(types native python_client js_client django_package guides pages)
for name in "${names[@]}"; do
  (set -euo pipefail; set -E; trap 'exit 1' ERR; "$name") >"$work/$name.log" 2>&1 &
  pids[${#pids[@]}]=$!
done
for at in "${!names[@]}"; do
  status=ok
  wait "${pids[$at]}" || { status=FAILED; failed=1; }
  printf '── %s: %s after %s s\n' "${names[$at]}" "$status" $((SECONDS - began))
  cat "$work/${names[$at]}.log"
done
exit $failed
