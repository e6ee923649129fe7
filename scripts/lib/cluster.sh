# shellcheck shell=bash
# This file is sourced after say.sh: questions to the cluster, and the checks that come before any change.

namespace=${namespace:-voice-workflow}
dry_run=${dry_run:-false}

kube() { kubectl --namespace "$namespace" --request-timeout=30s "$@"; }

# Succeeds where an object exists: KIND NAME.
there() { kube get "$1" "$2" -o name >/dev/null 2>&1; }

need_cluster() {
  need kubectl "install it, and point KUBECONFIG at the cluster"
  $dry_run && return
  kubectl --request-timeout=15s get --raw /readyz >/dev/null 2>&1 ||
    fail "no cluster answers (context '$(kubectl config current-context 2>/dev/null)'): check KUBECONFIG, or the tunnel to the cluster"
}

need_helm() {
  need helm "install Helm 4, or put \"\$(scripts/fetch_helm.sh)\" on the PATH"
  case "$(helm version --short 2>/dev/null)" in
    v4.* | v3.1[4-9]* | v3.[2-9][0-9]*) ;;
    *) fail "Helm 4 (or 3.14 and newer) is needed, found: $(helm version --short 2>&1 | head -n 1)" ;;
  esac
}

need_namespace() {
  $dry_run || there namespace "$namespace" ||
    fail "there is no namespace $namespace: run scripts/deploy_infra.sh first"
}

need_storage_class() {
  $dry_run || there storageclass "$1" ||
    fail "there is no storage class $1: run scripts/deploy_infra.sh, or name another in a values file (kubectl get storageclass lists them)"
}

# Prints NODE|GPUS, one line for each node.
gpu_nodes() {
  kubectl --request-timeout=30s get nodes -o \
    'jsonpath={range .items[*]}{.metadata.name}{"|"}{.status.allocatable.nvidia\.com/gpu}{"\n"}{end}'
}

need_gpu() {
  $dry_run && return
  local found
  found=$(gpu_nodes | awk -F'|' '$2 > 0 { n += $2 } END { print n + 0 }')
  [ "$found" -gt 0 ] ||
    fail "no node offers nvidia.com/gpu: install NVIDIA's GPU operator (driver and device plugin), then see kubectl describe node"
  ok "GPUs in the cluster: $found"
}

# Prints kind/name of every object in a YAML stream, one a line.
list_objects() {
  awk '/^kind:/ { kind = $2 } /^metadata:/ { meta = 1; next } /^[^ ]/ { meta = 0 }
       meta && /^  name:/ { print kind "/" $2 }' | sort
}

# Applies a YAML stream; this project's values win over other owners of the same fields.
apply() {
  if $dry_run; then
    list_objects | sed 's/^/   would apply: /'
    return
  fi
  kubectl apply --server-side --force-conflicts --field-manager=voice-workflow -f - 2>&1 |
    hide_keys | sed 's/^/   /'
  return "${PIPESTATUS[0]}"
}

# Prints a service's answer to a GET: SERVICE:PORT PATH.
service_get() {
  kube get --raw "/api/v1/namespaces/$namespace/services/$1/proxy$2" 2>/dev/null
}

# Prints the models that Riva's Triton has loaded, one a line.
riva_models() {
  echo '{}' |
    kube create --raw "/api/v1/namespaces/$namespace/services/$1:triton-http/proxy/v2/repository/index" -f - 2>/dev/null |
    tr '}' '\n' | sed -n '/"READY"/s/.*"name": *"\([^"]*\)".*/\1/p' || true
}

# Prints the models that the chat server offers, one a line.
llm_models() {
  service_get llm-nim:http /v1/models || service_get llm-nim:8000 /v1/models
}

llm_model_names() {
  llm_models | sed 's/[,{]/\
/g' | sed -n 's/^ *"id": *"\([^"]*\)".*/\1/p' | head -n 5 || true
}
