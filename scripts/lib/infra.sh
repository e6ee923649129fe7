# shellcheck shell=bash
# This file is sourced after cluster.sh: k8s/infra with the settings of this cluster.
# It needs the working directory at the top of the project, and sets `infra`, this run's folder.

infra=""
dry_run=${dry_run:-false}

# Copies k8s/infra, with lines NAME=VALUE from a file and from further arguments in its settings.
prepare_infra() {
  local file=$1
  shift
  infra=$(mktemp -d "${TMPDIR:-/tmp}/voice-infra.XXXXXX")
  trap 'rm -rf "$infra"' EXIT
  cp -R k8s/infra/. "$infra"
  if [ -n "$file" ]; then
    [ -r "$file" ] || fail "--settings $file: cannot be read"
    set_all "$file"
  fi
  local line
  for line in "$@"; do
    set_one "$line"
  done
}

set_all() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in "" | "#"*) ;; *) set_one "$line" ;; esac
  done <"$1"
}

set_one() {
  local name=${1%%=*} value=${1#*=}
  case "$1" in *=*) ;; *) fail "settings: '$1' is no NAME=VALUE" ;; esac
  grep -q "^$name=" "$infra/settings/cluster.env" ||
    fail "settings: $name is unknown; known are $(sed -n 's/=.*//p' "$infra/settings/cluster.env" | grep -v '^#' | tr '\n' ' ')"
  case "$name:$value" in
    RUNTIME_CLASS: | LLM_GPU_MEMORY:) ;;
    LLM_GPU_MEMORY:*) echo "$value" | grep -Eq '^0?\.[0-9]+$' || fail "settings: $name=$value: must be a share of the GPU's memory, such as 0.6" ;;
    *_PATH:/*) ;;
    *_PATH:*) fail "settings: $name=$value: must be a whole path, such as /data/riva" ;;
    *_SIZE:*) echo "$value" | grep -Eq '^[0-9]+(Ki|Mi|Gi|Ti)$' || fail "settings: $name=$value: must be a size, such as 50Gi" ;;
    *) echo "$value" | grep -Eq '^[A-Za-z0-9][A-Za-z0-9._:/-]*$' || fail "settings: $name=$value: must be a name" ;;
  esac
  grep -v "^$name=" "$infra/settings/cluster.env" >"$infra/cluster.env.new"
  echo "$name=$value" >>"$infra/cluster.env.new"
  mv "$infra/cluster.env.new" "$infra/settings/cluster.env"
}

# Writes the settings that kustomize cannot: a key that has another name, and lines that are there or not.
patch_chat_model() {
  local gpu class memory operations
  gpu=$(setting GPU_RESOURCE) class=$(setting RUNTIME_CLASS) memory=$(setting LLM_GPU_MEMORY)
  grep -q '^patches:' "$infra/settings/kustomization.yaml" || echo "patches:" >>"$infra/settings/kustomization.yaml"
  patch_llm Deployment /spec/template/spec /spec/template/spec/containers/0
  patch_llm NIMService /spec /spec
}

# Writes the operations on one kind: KIND PLACE-OF-THE-POD PLACE-OF-THE-CONTAINER.
patch_llm() {
  operations=""
  if [ "$gpu" != nvidia.com/gpu ]; then
    operate remove "$3/resources/limits/nvidia.com~1gpu"
    operate add "$3/resources/limits/${gpu//\//~1}" 1
  fi
  if [ -n "$class" ]; then operate add "$2/runtimeClassName" "\"$class\""; fi
  if [ -n "$memory" ]; then operate add "$3/env/-" "{\"name\": \"NIM_KVCACHE_PERCENT\", \"value\": \"$memory\"}"; fi
  [ -n "$operations" ] || return 0
  printf '  - target: {kind: %s, name: llm-nim}\n    patch: |\n      [%s]\n' "$1" "${operations#, }" >>"$infra/settings/kustomization.yaml"
}

# Adds to `operations`: OP PATH [VALUE].
operate() { operations="$operations, {\"op\": \"$1\", \"path\": \"$2\"${3:+, \"value\": $3}}"; }

setting() { sed -n "s/^$1=//p" "$infra/settings/cluster.env"; }

# Prints the manifests of one variant: volumes, plain, operator or paths. patch_chat_model comes before.
render_infra() {
  kubectl kustomize "$infra/$1" || fail "k8s/infra/$1 cannot be built"
}

need_node() {
  $dry_run && return
  local node
  node=$(setting NODE)
  [ -n "$(kubectl --request-timeout=30s get nodes -l "kubernetes.io/hostname=$node" -o name 2>/dev/null)" ] ||
    fail "there is no node $node: give one with --node ($(kubectl get nodes -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)), or change k8s/infra/settings/cluster.env"
}
