#!/usr/bin/env bash
# Searches simulated calls that nobody has seen for one that breaks a rule, on every core.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/search_calls.sh [CALLS]

Simulates CALLS random calls (100000) from fresh seeds, one process a core, on a virtual clock.
Prints one line for each process that found nothing; of a call that breaks a rule, its shortest form
and how to replay it.

exit status: 0 every rule held in every call, 1 one did not, 2 wrong arguments
EOF
}

fail() {
  echo "search_calls.sh: $1" >&2
  exit 2
}

case "${1:-}" in
  -h | --help) usage && exit 0 ;;
esac
[ $# -le 1 ] || fail "one argument at most, the number of calls; not: $*"
calls="${1:-100000}"
[[ "$calls" =~ ^[1-9][0-9]{0,8}$ ]] || fail "CALLS is a number from 1 to 999999999, not '$calls'"

# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh
ensure_uv || exit 2
uv sync --frozen --quiet
cores="$(nproc)"
each=$(((calls + cores - 1) / cores))

searches=()
trap 'kill "${searches[@]}" 2>/dev/null || true' EXIT
for _ in $(seq "$cores"); do
  .venv/bin/voice-sim --calls "$each" &
  searches+=($!)
done
status=0
for search in "${searches[@]}"; do
  wait "$search" || status=1
done
exit "$status"
