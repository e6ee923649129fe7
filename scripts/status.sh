#!/usr/bin/env bash
# Shows what is up in the cluster, which models are loaded, what is wrong and what to do about it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/status.sh [--namespace NAME] [--help]

Looks at the nodes, volumes, secrets, chat model, Riva and gateway of a namespace (voice-workflow), and
changes nothing. Status 0: everything that is installed works; 1: something does not.
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh
# shellcheck source=scripts/lib/cluster.sh
. scripts/lib/cluster.sh
# shellcheck source=scripts/lib/pods.sh
. scripts/lib/pods.sh

while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done

worst=0
wrong() { echo "   !!  $*"; worst=1; }
busy() { echo "   ..  $*"; worst=1; }
absent() { echo "   --  $*"; }

show_nodes() {
  step "nodes"
  gpu_nodes | awk -F'|' '{
    gpus = $2 > 0 ? $2 " GPU" : "no GPU"
    if ($3 > 1) gpus = gpus " (each is 1/" $3 " of one)"
    print "   " $1 ": " gpus
  }'
  [ "$(gpus_there)" -gt 0 ] ||
    absent "no node offers $gpu_resource: Riva and the NIM need NVIDIA's GPU operator; the local stack does not"
}

show_storage() {
  step "volumes"
  local line name phase class found=false
  while IFS='|' read -r name phase class; do
    [ -n "$name" ] || continue
    found=true
    case "$phase" in
      Bound) ok "$name" ;;
      Pending) absent "$name waits for a pod that uses it (class $class)" ;;
      *) wrong "$name is $phase: its volume is gone; scripts/deploy_infra.sh makes it again" ;;
    esac
  done <<EOF
$(claims)
EOF
  $found || absent "none: scripts/deploy_infra.sh makes them"
}

show_secrets() {
  step "secrets"
  local name
  for name in ngc-api modelpullsecret imagepullsecret riva-model-deploy-key; do
    if there secret "$name"; then ok "$name"; else absent "$name is missing: NGC_API_KEY=... scripts/deploy_riva.sh --secrets-only"; fi
  done
}

# Shows one Deployment: NAME WHAT HINT. The status is 0 where it is ready.
show_deployment() {
  if ! there deployment "$1"; then
    absent "$2 is not installed: $3"
    return 1
  fi
  local selector
  selector=$(selector_of "$1")
  look "$1" "$selector"
  case "$state" in
    ready) ok "$2"; return 0 ;;
    busy) busy "$2: $said" ;;
    stuck) wrong "$2: $said" ;;
  esac
  return 1
}

show_chat() {
  step "chat model"
  show_deployment llm-nim "llm-nim" "scripts/deploy_infra.sh" || return 0
  local models
  models=$(llm_model_names)
  if [ -n "$models" ]; then
    note "models: $(echo "$models" | tr '\n' ' ')"
  else
    wrong "http://llm-nim:8000/v1/models does not answer: kubectl -n $namespace logs deployment/llm-nim"
  fi
}

show_riva() {
  step "Riva"
  if there deployment riva-api-asr || there deployment riva-api-tts; then
    local half
    for half in asr tts router; do
      show_deployment "riva-api-$half" "riva-api-$half (NIM)" "scripts/deploy_riva.sh --mode nim" || true
    done
  else
    show_deployment riva-api riva-api scripts/deploy_riva.sh || return 0
    show_models
  fi
  service_get riva-api:triton-http /v2/health/ready >/dev/null ||
    wrong "http://riva-api:8000/v2/health/ready does not answer 200"
}

show_models() {
  local models model
  models=$(riva_models riva-api)
  for model in asr tts; do
    echo "$models" | grep -qi -E "$(model_pattern "$model")" ||
      wrong "no model for $model is loaded: name one in modelRepoGenerator.ngcModelConfigs, then scripts/deploy_riva.sh --values FILE"
  done
  echo "$models" | grep -i -E "$(model_pattern asr)|$(model_pattern tts)" | grep -v -i -E 'feature|preproc|postproc|vad|decoder|encoder|-am-|vocoder' |
    sed 's/^/   model /' || true
}

model_pattern() {
  case "$1" in
    asr) echo 'asr|parakeet|conformer|canary|whisper' ;;
    tts) echo 'tts|fastpitch|magpie|radtts' ;;
  esac
}

show_gateway() {
  step "gateway"
  show_deployment voice-gateway-gateway voice-gateway "scripts/deploy_gateway.sh" || return 0
  local name
  for name in $(kube get deployments -l app.kubernetes.io/instance=voice-gateway -o 'jsonpath={.items[*].metadata.name}'); do
    [ "$name" = voice-gateway-gateway ] || show_deployment "$name" "$name" "" || true
  done
  note "reach it: kubectl -n $namespace port-forward svc/voice-gateway-gateway 50051:50051"
}

gpu_resource=$(sed -n 's/^GPU_RESOURCE=//p' k8s/infra/settings/cluster.env)
need_cluster
there namespace "$namespace" || fail "there is no namespace $namespace: scripts/deploy_infra.sh makes it"
show_nodes
show_storage
show_secrets
show_chat
show_riva
show_gateway
exit "$worst"
