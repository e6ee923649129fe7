#!/usr/bin/env bash
# Everything CI runs: generated code in step, lint, types, import rules, contract, all tests.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--quick] [-- PYTEST ARGUMENTS]

Installs what it needs (uv, Python packages; on Debian as root also shellcheck, buildah, mmdebstrap),
then checks, builds the images where it can, and tests.
  --quick   without the images, and without the tests that need the CPU models (fetched once, about 0.4 GB)
TEXT
}

select=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --quick) select=(-m "not models"); shift ;;
    --) shift; break ;;
    *) echo "test: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh

# Run one check quietly; show what it said only where it failed.
check() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "ok    $name"
  else
    echo "$said"
    echo "FAIL  $name: $*" >&2
    exit 1
  fi
}

shell_scripts() {
  if ! command -v shellcheck >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      echo "shellcheck is missing: install it to check the shell scripts" >&2
      return 1
    fi
    apt-get -qq update && apt-get -qq install -y --no-install-recommends shellcheck
  fi
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
}

# Root on Debian can build images without a Docker engine; elsewhere the tests do without.
images() {
  if [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    check "images" ./scripts/test_images.sh
  else
    echo "skip  images: they are built as root on Debian only (scripts/test_images.sh)"
  fi
}

# The quick start is tested with a virtual sound card; where there is none its test says so.
sound_card() {
  if ! command -v pulseaudio >/dev/null 2>&1 || ! [ -e /usr/include/portaudio.h ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      return 0
    fi
    apt-get -qq update && apt-get -qq install -y --no-install-recommends pulseaudio \
      pulseaudio-utils libasound2-plugins portaudio19-dev python3-dev gcc libc6-dev
  fi
}

# The page is tested in a real browser; where there is none its tests say so.
browser() {
  if ! command -v chromium >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      return 0
    fi
    apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium
  fi
}

# What outlives calls is tested in a real Redis; where there is none its tests say so.
redis() {
  if ! command -v redis-server >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      return 0
    fi
    apt-get -qq update && apt-get -qq install -y --no-install-recommends redis-server
  fi
}

ensure_uv
check "packages" uv sync --frozen --quiet
check "generated stubs in step" ./scripts/gen_protos.sh --check
check "contract lint" uv run --no-sync buf lint
check "contract keeps its first clients" \
  uv run --no-sync buf breaking proto --against services/voice-proto/released
check "lint" uv run --no-sync ruff check
check "format" uv run --no-sync ruff format --check
check "types" uv run --no-sync basedpyright
check "import rules" uv run --no-sync lint-imports
check "workflows and issue forms" ./scripts/check_hosting.sh
check "shell scripts" shell_scripts
check "virtual sound card" sound_card
check "browser" browser
check "Redis" redis
if [ "${#select[@]}" -eq 0 ]; then images; fi
echo "tests"
uv run --no-sync pytest -q -ra "${select[@]+"${select[@]}"}" "$@"
