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

# What a pod asks for to be given a GPU: nvidia.com/gpu.shared or a MIG profile in some clusters.
gpu_resource=${gpu_resource:-nvidia.com/gpu}

# Prints that name as a path of kubectl's.
gpu_key() { printf '%s\n' "${gpu_resource//./\\.}"; }

# Prints NODE|GPUS|PODS TO A GPU|MIB OF A GPU, one line for each node; the last two are labels of NVIDIA's
# GPU feature discovery, and empty without it.
gpu_nodes() {
  kubectl --request-timeout=30s get nodes -o \
    "jsonpath={range .items[*]}{.metadata.name}{\"|\"}{.status.allocatable.$(gpu_key)}{\"|\"}{.metadata.labels.nvidia\\.com/gpu\\.replicas}{\"|\"}{.metadata.labels.nvidia\\.com/gpu\\.memory}{\"\\n\"}{end}"
}

# Prints NAMESPACE|POD|NODE|GPUS of every pod that is not over; nothing where that may not be asked.
gpu_pods() {
  kubectl --request-timeout=30s get pods --all-namespaces --field-selector 'status.phase!=Succeeded,status.phase!=Failed' -o \
    "jsonpath={range .items[*]}{.metadata.namespace}{\"|\"}{.metadata.name}{\"|\"}{.spec.nodeName}{\"|\"}{.spec.containers[*].resources.limits.$(gpu_key)}{\"\\n\"}{end}" 2>/dev/null || true
}

gpus_there() { gpu_nodes | awk -F'|' '$2 > 0 { n += $2 } END { print n + 0 }'; }

# Prints how many GPUs others hold; others are all but the pods of this namespace with these names: NAME...
gpus_held() {
  gpu_pods | awk -F'|' -v here="$namespace" -v own="$*" '
    BEGIN { names = split(own, name, " ") }
    function is_own(i) { if ($1 == here) for (i = 1; i <= names; i++) if (index($2, name[i] "-") == 1) return 1; return 0 }
    $3 != "" && !is_own() { gpus = split($4, gpu, " "); for (g = 1; g <= gpus; g++) held += gpu[g] }
    END { print held + 0 }'
}

# Checks that so many GPUs are free for pods that are to be installed: GPUS WHAT-FOR NAME...
need_gpu() {
  local wanted=$1 what=$2 there free
  shift 2
  $dry_run && { note "GPUs needed: $wanted ($what)"; return; }
  [ "$wanted" -gt 0 ] || return 0
  there=$(gpus_there)
  [ "$there" -gt 0 ] ||
    fail "no node offers $gpu_resource: install NVIDIA's GPU operator (driver and device plugin), then see kubectl describe node"
  free=$((there - $(gpus_held "$@")))
  [ "$free" -ge "$wanted" ] ||
    fail "$wanted GPUs are needed ($what), and $free of the cluster's $there are free: free some, add a node, or share one of 80 GB (docs/guides/riva-and-nim.md, one GPU)"
  ok "GPUs in the cluster: $there, free: $free, needed: $wanted ($what)"
}

# Prints GPUS RESOURCE of all pods of a YAML stream: what stands as `x.y/z` among their containers' limits.
gpus_asked() {
  awk '/^---/ { replicas = 1; main = 0 }
       /^  replicas:/ { replicas = $2 }
       /^ +(initC|c)ontainers:/ { main = ($1 == "containers:") }
       /^ +limits:/ { match($0, /^ +/); depth = RLENGTH; limits = 1; next }
       limits { match($0, /^ +/); if (RLENGTH <= depth) limits = 0 }
       limits && main && $1 ~ /^[a-z0-9.-]+\/[A-Za-z0-9._-]+:$/ { asked += $2 * replicas; name = $1 }
       END { sub(/:$/, "", name); print asked + 0, name }'
}

# Prints kind/name of every object in a YAML stream, one a line.
list_objects() {
  awk '/^kind:/ { kind = $2 } /^metadata:/ { meta = 1; next } /^[^ ]/ { meta = 0 }
       meta && /^  name:/ { print kind "/" $2 }' | sort
}

# Passes a YAML stream on without the objects of some kinds: KIND...
without() {
  awk -v kinds=" $* " '
    function pass() { if (object != "" && !index(kinds, " " kind " ")) printf "---\n%s", object; object = kind = "" }
    /^---/ { pass(); next }
    /^kind:/ { kind = $2 }
    { object = object $0 "\n" }
    END { pass() }'
}

# Succeeds where an object was made by these scripts: KIND NAME.
ours() {
  [ "$(kube get "$1" "$2" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/part-of}' 2>/dev/null)" = voice-workflow ]
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
