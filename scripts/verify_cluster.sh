#!/usr/bin/env bash
# Tests everything in a cluster: installs it, calls it, replaces it under live calls, removes it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/verify_cluster.sh [options]

Against the cluster that KUBECONFIG points at (kind, k3s, a real one; no GPU needed). It works in a
namespace of its own and leaves nothing. Needs kubectl, Helm 4 and about 1.5 free CPUs and 2 GiB; the
nodes must be able to pull the two images, or hold them already.

  --image NAME[:TAG]        the gateway's (voice-gateway:0.1.0)
  --stack-image NAME[:TAG]  the local stack's (voice-local-stack:0.1.0)
  --llm NAME                smollm2 (default), qwen-0.5b, qwen-1.5b
  --offline                 the local stack's image holds its models already
  --namespace NAME          instead of voice-verify; it must not exist
  --timeout SECONDS         longest wait for pods (600)
  --keep                    leave everything where it is at the end
  -h, --help
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh
namespace=voice-verify
# shellcheck source=scripts/lib/cluster.sh
. scripts/lib/cluster.sh
# shellcheck source=scripts/lib/infra.sh
. scripts/lib/infra.sh

release=voice-gateway
service=$release-gateway
chart=helm/voice-workflow
image=voice-gateway:0.1.0
stack_image=voice-local-stack:0.1.0
llm=smollm2
offline=false
timeout=600
keep=false
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --image) image=$(value_of "$@"); shift ;;
    --stack-image) stack_image=$(value_of "$@"); shift ;;
    --llm) llm=$(value_of "$@"); shift ;;
    --offline) offline=true ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    --timeout) timeout=$(seconds_of "$@"); shift ;;
    --keep) keep=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done

# --- one check after the other, each with a line; the first that fails ends it ---

passed=0
total=11
doing=""
detail=""
work=$(mktemp -d "${TMPDIR:-/tmp}/voice-verify.XXXXXX")
forwarder="" caller="" made=false
port="" # local port of the forwarded gateway

check() {
  local began=$SECONDS
  doing=$1 detail=""
  shift
  "$@" || fail "${detail:-$* failed}"
  passed=$((passed + 1))
  printf '%2d/%d ok  %s: %s (%d s)\n' "$passed" "$total" "$doing" "$detail" "$((SECONDS - began))"
}

stop() {
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

leave() {
  local status=$?
  trap - EXIT INT TERM
  stop "$caller"
  stop "$forwarder"
  if [ "$status" -ne 0 ]; then explain; fi
  if $made && ! $keep; then remove; fi
  rm -rf "$work" "${infra:-}"
  if [ "$status" -ne 0 ]; then
    echo "verify_cluster: FAILED at \"$doing\", after $passed of $total checks" >&2
  fi
  exit "$status"
}

# Shows the cluster's state where a check failed.
explain() {
  $made || return 0
  {
    [ ! -s "$work/call.log" ] || tail -n 40 "$work/call.log"
    kube get pods -o wide || true
    kube get events --field-selector type=Warning --sort-by=.lastTimestamp | tail -n 8 || true
    kube logs -l "app.kubernetes.io/instance=$release" --all-containers --prefix --tail=12 || true
  } 2>&1 | hide_keys | sed 's/^/   | /' >&2
}

remove() {
  helm uninstall "$release" --namespace "$namespace" --ignore-not-found >/dev/null 2>&1 || true
  kubectl delete namespace "$namespace" --wait=false >/dev/null 2>&1 || true
}

# --- what is installed ---

name_of() { case "${1##*/}" in *:*) echo "${1%:*}" ;; *) echo "$1" ;; esac; }
tag_of() { case "${1##*/}" in *:*) echo "${1##*:}" ;; *) echo 0.1.0 ;; esac; }

values=(--values "$chart/overlays/laptop-cluster.yaml"
  --set-string "image.repository=$(name_of "$image"),image.tag=$(tag_of "$image")"
  --set-string "localStack.image.repository=$(name_of "$stack_image"),localStack.image.tag=$(tag_of "$stack_image")"
  --set "localStack.llm=$llm,localStack.offline=$offline"
  --set settings.LLM_MAX_TOKENS=40) # the check is the call, not a small model's long answer

upgrade() {
  helm upgrade --install "$release" "$chart" --namespace "$namespace" "${values[@]}" "$@" \
    --wait --timeout "${timeout}s" >"$work/helm.log" 2>&1 ||
    { detail="helm: $(hide_keys <"$work/helm.log" | tail -n 3 | tr '\n' ' ')"; return 1; }
}

# --- every manifest, before the API server ---

render_all() {
  local overlay variant
  for overlay in "$chart"/overlays/*.yaml; do
    helm template "$release" "$chart" --namespace "$namespace" --values "$overlay"
  done
  helm template "$release" "$chart" --namespace "$namespace" --values scripts/lib/verify-values.yaml
  helm template "$release" "$chart" --namespace "$namespace" --values scripts/lib/verify-values.yaml \
    --set exposure.gatewayApi.enabled=false,exposure.traefik.enabled=true,autoscaling.engine=hpa
  helm template "$release" "$chart" --namespace "$namespace" --values scripts/lib/verify-values.yaml \
    --set exposure.gatewayApi.enabled=false,exposure.nginx.enabled=true,exposure.web=false
  for variant in riva nim; do
    helm template riva-api helm/riva-api --namespace "$namespace" --set "mode=$variant"
  done
  for variant in plain operator paths; do
    echo ---
    render_infra "$variant"
  done
}

server_side_apply() {
  render_all >"$work/all.yaml" 2>"$work/render.log" ||
    { detail="rendering: $(tail -n 2 "$work/render.log" | tr '\n' ' ')"; return 1; }
  kubectl apply --server-side --dry-run=server --force-conflicts -f "$work/all.yaml" >"$work/apply.log" 2>&1 || true
  local wrong taken unknown
  wrong=$(grep -v -E 'serverside-applied|no matches for kind|ensure CRDs are installed|^Warning: ' "$work/apply.log" || true)
  if [ -n "$wrong" ]; then
    detail="refused: $(echo "$wrong" | head -n 3 | tr '\n' ' ')"
    return 1
  fi
  taken=$(grep -c serverside-applied "$work/apply.log")
  unknown=$(sed -n 's/.*no matches for kind "\([^"]*\)".*/\1/p' "$work/apply.log" | sort -u | tr '\n' ' ')
  detail="$taken objects taken"
  if [ -n "$unknown" ]; then detail="$detail; this cluster does not know ${unknown% }"; fi
}

make_namespace() {
  if kubectl get namespace "$namespace" >/dev/null 2>&1; then
    detail="the namespace $namespace exists already: give another with --namespace"
    return 1
  fi
  kubectl create namespace "$namespace" >/dev/null
  made=true
  kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
  if kube run unsafe --image="$(name_of "$image")" --dry-run=server >"$work/unsafe.log" 2>&1; then
    detail="the cluster let an unhardened pod into a restricted namespace"
    return 1
  fi
  detail="$namespace, where pod security \"restricted\" is enforced"
}

install() {
  upgrade || return 1
  detail="$(kube get pods -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}' |
    tr ' ' '\n' | grep -c True) pods ready"
}

spoken_turn() {
  helm test "$release" --namespace "$namespace" --timeout "${timeout}s" >"$work/test.log" 2>&1 ||
    { detail="helm test: $(tail -n 5 "$work/test.log" | tr '\n' ' ')"; return 1; }
  detail="heard $(said_in heard), answered $(said_in reply)"
}

# Prints a field of the client's JSON, however Helm's log quotes it.
said_in() { sed 's/\\n/\n/g; s/\\"/"/g' "$work/test.log" | sed -n "s/^ *\"$1\": *\(\".*\"\),*\$/\1/p" | head -n 1; }

# --- a caller on this machine, through a port-forward ---

forward() {
  stop "$forwarder"
  : >"$work/forward.log"
  kubectl --namespace "$namespace" port-forward "svc/$service" :50051 >"$work/forward.log" 2>&1 &
  forwarder=$!
  wait_for 30 grep -q '^Forwarding from 127' "$work/forward.log" ||
    { detail="port-forward: $(tail -n 2 "$work/forward.log" | tr '\n' ' ')"; return 1; }
  port=$(sed -n 's/^Forwarding from 127[^:]*:\([0-9]*\) .*/\1/p' "$work/forward.log" | head -n 1)
}

# Tries a command until it succeeds, or SECONDS are over.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.5
  done
}

voice() { "$work/client/bin/voice" "$@"; }

get_client() {
  UV_PROJECT_ENVIRONMENT=$work/client uv sync --frozen --quiet --no-dev --package voice-client >"$work/uv.log" 2>&1 ||
    { detail="uv: $(tail -n 2 "$work/uv.log" | tr '\n' ' ')"; return 1; }
}

call_through_forward() {
  get_client && forward || return 1
  voice wav @en_weather_synth --json --server "127.0.0.1:$port" >"$work/test.log" 2>"$work/voice.log" ||
    { detail="$(tail -n 1 "$work/voice.log")"; return 1; }
  detail="heard $(said_in heard), answered $(said_in reply)"
}

# --- a live call, while what serves it is replaced ---

# The questions are short and without pauses: the check is the call, not the recogniser.
clips=(@en_weather_synth @en_nlp_question @en_weather_synth @en_nlp_question @en_weather_synth)

turns() { grep -c '^saying ' "$work/call.log"; }
second_turn() { [ "$(turns)" -ge 2 ]; }
is_gone() { ! kube get pod "$1" -o name; }
gateway_pod() {
  kube get pods -l app.kubernetes.io/component=gateway -o \
    'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.deletionTimestamp}{"\n"}{end}' | awk 'NF == 1 { print $1 }'
}

# Holds a call of several turns, and runs a command to its end in the second. The call must go on in
# the leaving pod until the caller hangs up; then the pod must go.
under_a_call() {
  local pod rolled began
  pod=$(gateway_pod)
  forward || return 1
  voice wav "${clips[@]}" --server "127.0.0.1:$port" >"$work/call.log" 2>&1 &
  caller=$!
  wait_for 120 second_turn || { detail="the call had no second turn: $(tail -n 2 "$work/call.log" | tr '\n' ' ')"; return 1; }
  began=$SECONDS
  "$@" || return 1
  rolled=$((SECONDS - began))
  kill -0 "$caller" 2>/dev/null ||
    { detail="the call was over before the new pod was ready: $(tail -n 2 "$work/call.log" | tr '\n' ' ')"; return 1; }
  [ "$(gateway_pod)" != "$pod" ] || { detail="no pod was replaced"; return 1; }
  local before status=0
  before=$(turns)
  # The client's status says whether every turn was heard and answered aloud.
  wait "$caller" || status=$?
  caller=""
  if [ "$status" -ne 0 ] || [ "$(turns)" -ne "${#clips[@]}" ]; then
    detail="the call was lost (status $status): $(tail -n 3 "$work/call.log" | tr '\n' ' ')"
    return 1
  fi
  wait_for 60 is_gone "$pod" || { detail="$pod is still there a minute after its last call"; return 1; }
  detail="new pod ready after $rolled s, in turn $before of ${#clips[@]}; all ${#clips[@]} turns answered by the old one, which then left"
}

restart() {
  kube rollout restart "deployment/$service" >/dev/null
  kube rollout status "deployment/$service" --timeout="${timeout}s" >/dev/null ||
    { detail="the restart did not end within $timeout s"; return 1; }
}

# --- another hand on the replicas ---

scaled_by_another() {
  local autoscaling=(--set "autoscaling.enabled=true,autoscaling.metricsCollected=true"
    --set "autoscaling.minReplicas=1,autoscaling.callsPerPod=5")
  upgrade "${autoscaling[@]}" || return 1
  kube scale "deployment/$service" --replicas=2 >/dev/null
  upgrade "${autoscaling[@]}" --set settings.LOG_LEVEL=WARNING || return 1
  local replicas
  replicas=$(kube get deployment "$service" -o 'jsonpath={.spec.replicas}')
  [ "$replicas" = 2 ] || { detail="helm upgrade set the replicas to $replicas, not 2"; return 1; }
  detail="helm upgrade left the 2 replicas of another hand"
}

# --- values that make no sense ---

wrong_values=(
  "an unknown key|--set|replicaz=2"
  "a wrong type|--set-string|replicas=two"
  "fewer than no pods|--set|replicas=-1"
  "a setting out of range|--set|settings.SAMPLE_RATE=-8"
  "an address with a scheme|--set|settings.RIVA_URI=http://riva:50051,localStack.enabled=false"
  "TLS without a secret|--set|exposure.traefik.enabled=true,exposure.host=voice.example.org"
  "two routes at once|--set|exposure.traefik.enabled=true,exposure.nginx.enabled=true,exposure.host=voice.example.org"
  "autoscaling without metrics|--set|autoscaling.enabled=true"
)

refuse() {
  local line what flag value said
  for line in "${wrong_values[@]}"; do
    IFS='|' read -r what flag value <<<"$line"
    if helm upgrade "$release" "$chart" --namespace "$namespace" --dry-run=server "${values[@]}" "$flag" "$value" \
      >"$work/refused.log" 2>&1; then
      detail="$what was taken: $value"
      return 1
    fi
    said=$(hide_keys <"$work/refused.log" | grep -E "^- at|error calling fail|execution error" | head -n 1 |
      sed -E 's/.*error calling fail: //; s/^.*execution error at \([^)]*\): //; s/^- //')
    echo "      $what: ${said:-$(tail -n 1 "$work/refused.log")}"
  done
  detail="${#wrong_values[@]} kinds, each with a sentence"
}

# --- nothing is left ---

leftovers() {
  kubectl api-resources --namespaced --verbs=list -o name | grep -v -E '^events' |
    while IFS= read -r kind; do kube get "$kind" -o name 2>/dev/null || true; done |
    grep -v -E '^(configmap/kube-root-ca.crt|serviceaccount/default)$' || true
}

nothing_left() { [ -z "$(leftovers)" ]; }

uninstall() {
  stop "$forwarder"
  forwarder=""
  helm uninstall "$release" --namespace "$namespace" --wait --timeout "${timeout}s" >"$work/helm.log" 2>&1 ||
    { detail="helm: $(tail -n 2 "$work/helm.log" | tr '\n' ' ')"; return 1; }
  wait_for 60 nothing_left || { detail="left: $(leftovers | tr '\n' ' ')"; return 1; }
  kubectl delete namespace "$namespace" --timeout="${timeout}s" >/dev/null
  made=false
  detail="no object of it is in the cluster"
}

# --- the run ---

need_cluster
need_helm
ensure_uv
prepare_infra "" "NAMESPACE=$namespace"
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
version=$(kubectl version 2>/dev/null | sed -n 's/^Server Version: //p')
echo "verify_cluster: Kubernetes $version, $(kubectl get nodes --no-headers | wc -l | tr -d ' ') node(s), $(helm version --short), $image, $stack_image ($llm)"
began_s=$SECONDS
check "namespace" make_namespace
check "server-side apply of every manifest" server_side_apply
check "install" install
check "helm test" spoken_turn
check "a caller through kubectl port-forward" call_through_forward
check "helm upgrade under a live call" under_a_call upgrade --set settings.MAX_CALLS=12
check "rolling restart under a live call" under_a_call restart
check "helm test of the new pod" spoken_turn
check "replicas owned by another" scaled_by_another
check "wrong values are refused" refuse
if $keep; then
  echo "kept in namespace $namespace; remove it with: helm uninstall $release -n $namespace; kubectl delete namespace $namespace"
  total=10
else
  check "uninstall" uninstall
fi
echo "verify_cluster: all $passed of $total checks passed on Kubernetes $version in $(minutes $((SECONDS - began_s)))"
