#!/usr/bin/env bash
# Checks what the hosting platform reads: workflows by a linter and a schema, issue forms by a schema.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/check_hosting.sh [FOLDER]

Checks the workflows and issue forms in .github, or in FOLDER, which is laid out like it. Both tools
come with the Python packages of the project; neither asks the network.
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  -*) echo "check_hosting: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

folder=$(cd "${1:-$(dirname "$0")/../.github}" && pwd)
cd "$(dirname "$0")/.."
# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh
ensure_uv

matches() {
  local schema=$1
  shift
  uv run --quiet --no-sync check-jsonschema --builtin-schema "vendor.github-$schema" "$@"
}

matches workflows "$folder"/workflows/*.yml
matches issue-forms "$folder"/ISSUE_TEMPLATE/[!c]*.yml
matches issue-config "$folder"/ISSUE_TEMPLATE/config.yml
uv run --quiet --no-sync zizmor --offline --quiet --config .github/zizmor.yml "$folder"/workflows/*.yml
