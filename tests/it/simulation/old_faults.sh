#!/usr/bin/env bash
# Puts faults back that the engine once could have had, one at a time, in a copy of the sources, and shows that the simulation finds
# each. Says after how many seeds.
#
#   tests/it/simulation/old_faults.sh [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/../../.."
seeds=${1:-30}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy"
# The build goes on from what is built already, where a folder is given.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$copy/target}
cd "$copy"

# put_back NAME FILE FROM TO: FROM, which is there once, becomes TO.
put_back() {
  local name=$1 file=$2
  cp "$file" "$copy/kept"
  FROM=$3 TO=$4 python3 - "$file" <<'PY'
import os, sys
text = open(sys.argv[1]).read()
assert text.count(os.environ["FROM"]) == 1, f"{sys.argv[1]}: {text.count(os.environ['FROM'])} times {os.environ['FROM']}"
open(sys.argv[1], "w").write(text.replace(os.environ["FROM"], os.environ["TO"]))
PY
  cargo test --quiet --no-run --test it
  if GANTRY_TEST_SEED=1 GANTRY_TEST_SEEDS=$seeds RUST_BACKTRACE=0 cargo test --quiet --test it simulation::many_seeds -- --nocapture >said 2>&1; then
    echo "NOT FOUND in $seeds seeds: $name"
    missed=1
  else
    echo "found in seed $(($(grep -c '^GANTRY_TEST_SEED=' said) + 1)): $name"
    sed -n '/panicked at/,/^note:/p' said | sed -n 2p | cut -c1-200
  fi
  cp "$copy/kept" "$file"
}

missed=0
put_back "an upload is changed though another request has changed it" src/store/sql/write.rs \
  'last_activity_at END WHERE id = $1 AND revision = $2"' 'last_activity_at END WHERE id = $1 AND $2 > 0"'
put_back "a writer goes on though its fence is old" src/domain/append.rs \
  'ledger.fence == fence && ledger.lease' 'ledger.fence >= fence.min(0) && ledger.lease'
put_back "a completion is written without its job" src/engine/uploads/complete.rs \
  '.with(NewRow::Job(self.processing_job(&stored)));' '; let _ = NewRow::Job(self.processing_job(&stored));'
exit $missed
