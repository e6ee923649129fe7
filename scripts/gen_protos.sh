#!/usr/bin/env bash
# Generates the Python stubs of proto/voice_workflow.proto into services/voice-proto.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/gen_protos.sh [--check]

Generates services/voice-proto/src/voice_proto/voice_workflow_pb2*.py[i] from the contract.
  --check   change nothing; fail where the files that stand there are not in step
TEXT
}

check=false
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --check) check=true ;;
  "") ;;
  *) echo "gen_protos: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
home=services/voice-proto/src/voice_proto
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

uv run --quiet --no-sync python -m grpc_tools.protoc -Iproto \
  --python_out="$fresh" --pyi_out="$fresh" --grpc_python_out="$fresh" voice_workflow.proto
# protoc writes an absolute import; inside a package it must be relative.
sed -i.orig 's/^import voice_workflow_pb2/from . import voice_workflow_pb2/' "$fresh/voice_workflow_pb2_grpc.py"
rm "$fresh"/*.orig

if $check; then
  for file in "$fresh"/*; do
    cmp -s "$file" "$home/$(basename "$file")" || {
      echo "gen_protos: $home/$(basename "$file") is not in step with proto/voice_workflow.proto; run scripts/gen_protos.sh" >&2
      exit 1
    }
  done
else
  cp "$fresh"/* "$home/"
fi
