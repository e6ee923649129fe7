#!/usr/bin/env bash
# Runs all that CI runs: generated code in step, lint, types, import rules, contract, images, tests.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--quick] [-- PYTEST ARGUMENTS]

Installs what it needs (uv, Python packages; on Debian as root also shellcheck, buildah, mmdebstrap,
pulseaudio, chromium, redis-server), then checks, builds the images where it can, and tests.
  --quick   without the images, and without the tests that need the CPU models (fetched once, about 0.4 GB)

A part of it: scripts/test.sh --quick -- -k opus      tests whose name has it
              .venv/bin/pytest services/voice-client  the tests of a folder, one after the other
              .venv/bin/pytest -m "not models"        by marker; `.venv/bin/pytest --markers` lists them
TEXT
}

quick=false
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --quick) quick=true; shift ;;
    --) shift; break ;;
    *) echo "test: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/voice-test.XXXXXX")
failed=()
first=()
begun=()
pids=()
leave() {
  local status=$? pid
  trap - EXIT
  for pid in "${pids[@]+"${pids[@]}"}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
  exit "$status"
}
trap leave EXIT
trap 'exit 143' INT TERM

# Begins a check beside what else runs; `finish` says how it went.
begin() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >"$work/${name// /-}" 2>&1 </dev/null &
  begun+=("$name")
  pids+=($!)
}

# Waits for all checks that were begun: prints one line for each, and its output where it failed.
finish() {
  local at name
  for at in "${!begun[@]}"; do
    name=${begun[$at]}
    if wait "${pids[$at]}"; then
      echo "ok    $name"
    else
      cat "$work/${name// /-}"
      echo "FAIL  $name" >&2
      failed+=("$name")
    fi
  done
  begun=()
  pids=()
}

check() { # NAME COMMAND...: a check that all others need
  begin "$@"
  finish
  [ "${#failed[@]}" -eq 0 ] || exit 1
}

root_on_debian() {
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

# Tests and checks use these where they are there, and a test says where they are not.
system_packages() {
  local missing=()
  root_on_debian || return 0
  command -v shellcheck >/dev/null 2>&1 || missing+=(shellcheck)
  command -v redis-server >/dev/null 2>&1 || missing+=(redis-server)
  command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing+=(chromium)
  if ! command -v pulseaudio >/dev/null 2>&1 || ! [ -e /usr/include/portaudio.h ]; then
    missing+=(pulseaudio pulseaudio-utils libasound2-plugins portaudio19-dev python3-dev gcc libc6-dev)
  fi
  [ "${#missing[@]}" -gt 0 ] || return 0
  apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"
}

shell_scripts() {
  command -v shellcheck >/dev/null 2>&1 || {
    echo "shellcheck is missing: install it to check the shell scripts" >&2
    return 1
  }
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
}

# Models are fetched once here, and not by the first test of each kind that needs them.
models() {
  local name
  for name in moonshine-tiny moonshine-base whisper-base; do
    uv run --no-sync voice-local --fetch-only --llm smollm2 --asr "$name" || return 1
  done
}

# Runs the tests of one kind; the summary of a run says which failed.
tests() { # NAME MARKERS PYTEST ARGUMENTS...
  local name=$1 markers=$2 status=0
  shift 2
  echo "tests $name"
  "${first[@]+"${first[@]}"}" uv run --no-sync pytest -q -ra -m "$markers" "$@" || status=$?
  case $status in
    0 | 5) ;; # 5: the arguments choose none of this kind
    *) failed+=("tests $name") ;;
  esac
}

export PYTHONDONTWRITEBYTECODE=  # every worker would rewrite all tests anew
ensure_uv
check "packages" uv sync --frozen --quiet
check "system packages" system_packages

begin "generated stubs in step" ./scripts/gen_protos.sh --check
begin "contract lint" uv run --no-sync buf lint
begin "contract keeps its first clients" \
  uv run --no-sync buf breaking proto --against services/voice-proto/released
begin "lint" uv run --no-sync ruff check
begin "format" uv run --no-sync ruff format --check
begin "types" uv run --no-sync basedpyright
begin "import rules" uv run --no-sync lint-imports
begin "workflows and issue forms" ./scripts/check_hosting.sh
begin "shell scripts" shell_scripts
$quick || begin "models" models
finish
[ "${#failed[@]}" -eq 0 ] || exit 1

# Most tests wait most of the time; those that measure in real time run after all the others.
workers=$(($(getconf _NPROCESSORS_ONLN) + 2))
beside=(-n "$workers" --dist loadfile --no-loadscope-reorder)
if $quick; then
  tests "side by side" "not models and not alone" "${beside[@]}" "$@"
else
  # Root on Debian can build images without a Docker engine; elsewhere the tests do without.
  if root_on_debian; then
    begin "images" ./scripts/test_images.sh
  else
    echo "skip  images: they are built as root on Debian only (scripts/test_images.sh)"
  fi
  tests "side by side" "not alone" "${beside[@]}" "$@"
  finish
  # Speech in real time gets gaps where another process has the processor.
  if [ "$(id -u)" = 0 ]; then first=(nice -n -10); fi
  tests "alone" "alone" -n 1 "$@"
fi

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAIL  %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "ok    all"
