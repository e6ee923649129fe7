#!/usr/bin/env bash
# Installs Riva in the cluster: its secrets and its chart; waits until its models are loaded.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/deploy_riva.sh [options]

Makes the secrets ngc-api, modelpullsecret, imagepullsecret and riva-model-deploy-key, and installs or
upgrades helm/riva-api with k8s/infra/riva-values.yaml. May be run again at any time. It needs a GPU that
is free, two in mode nim.

  --mode WHAT        riva (default): one classic server; nim: a speech NIM each for ASR and TTS
  --values FILE      further Helm values; may be repeated
  --namespace NAME   instead of voice-workflow
  --secrets-only     make the secrets, nothing else
  --test             afterwards let the voice say a sentence and the recogniser write it down; runs in
                     the gateway's image, so that scripts/build_gateway.sh comes first
  --no-wait          return once the chart is installed
  --timeout SECONDS  longest wait (5400; models take 20 to 40 minutes the first time)
  --dry-run          say what would be done, and change nothing; needs no cluster
  -h, --help

The key comes from NGC_API_KEY, from the file NGC_API_KEY_FILE, or from the terminal; without one, the
secrets that are there are used. MODEL_DEPLOY_KEY is for models encrypted with a key of your own.
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh
# shellcheck source=scripts/lib/cluster.sh
. scripts/lib/cluster.sh
# shellcheck source=scripts/lib/keys.sh
. scripts/lib/keys.sh
# shellcheck source=scripts/lib/pods.sh
. scripts/lib/pods.sh
# shellcheck source=scripts/lib/images.sh
. scripts/lib/images.sh

mode=riva
values=(--values k8s/infra/riva-values.yaml)
secrets_only=false
test=false
wait=true
timeout=5400
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --mode) mode=$(value_of "$@"); shift ;;
    --values | -f) values+=(--values "$(value_of "$@")"); shift ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    --timeout) timeout=$(seconds_of "$@"); shift ;;
    --secrets-only) secrets_only=true ;;
    --test) test=true ;;
    --no-wait) wait=false ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
case "$mode" in riva | nim) ;; *) misused "--mode $mode: must be riva or nim" ;; esac

render() {
  helm template riva-api helm/riva-api --namespace "$namespace" "${values[@]}" --set "mode=$mode" 2>&1
}

# Checks, before anything is changed, that the cluster has what the chart needs.
check() {
  step "checks"
  need_cluster
  need_helm
  need_namespace
  local rendered
  rendered=$(render) || fail "the chart refuses these values: $(echo "$rendered" | hide_keys | tail -n 3 | tr '\n' ' ')"
  ok "the chart takes these values"
  need_no_first_version riva-api release=riva-api riva-api
  use_built_for_the_test "$rendered"
  check_gpus "$rendered"
  $dry_run && return
  local class
  for class in $(echo "$rendered" | sed -n 's/^ *storageClassName: //p' | sort -u); do
    need_storage_class "$class"
  done
  check_claims "$rendered"
}

# Whatever the values give each pod, and however a GPU is called there.
check_gpus() {
  local asked name
  read -r asked name <<EOF
$(echo "$1" | gpus_asked)
EOF
  gpu_resource=${name:-$gpu_resource}
  need_gpu "$asked" "Riva, mode $mode" riva-api
}

# The test runs in the gateway's image: what was built last, where the values name no other.
use_built_for_the_test() {
  local own=voice-gateway:0.1.0 image
  image=$(echo "$1" | images_in | grep -v "$registry" | grep -F "voice-gateway" | head -n 1 || true)
  if [ "$image" = "$own" ] && last_built voice-gateway; then
    values+=(--set-string "test.image=$built")
    image=$built
  fi
  if $test && [ -n "$image" ]; then check_image "$image" voice-gateway; fi
}

# Checks the claims that the pods name and the chart does not make.
check_claims() {
  local claim made
  made=$(echo "$1" | list_objects | sed -n 's/^PersistentVolumeClaim.//p')
  for claim in $(echo "$1" | sed -n 's/^ *claimName: //p' | sort -u); do
    echo "$made" | grep -qx "$claim" || there pvc "$claim" ||
      fail "there is no volume claim $claim: run scripts/deploy_infra.sh first, or let the chart make it (persistentVolumeClaim.create, speechNim.*.persistence.create)"
  done
}

install() {
  step "chart riva-api (mode $mode)"
  change helm upgrade --install riva-api helm/riva-api --namespace "$namespace" "${values[@]}" --set "mode=$mode" ||
    fail "Helm could not install riva-api (see above)"
}

wait_until_ready() {
  $dry_run && return
  local selector=app.kubernetes.io/instance=riva-api,app.kubernetes.io/component
  if [ "$mode" = riva ]; then
    wait_for_pods Riva riva-api "$selector=server" "$timeout"
  else
    local half
    for half in asr tts router; do
      there deployment "riva-api-$half" || continue
      wait_for_pods "Riva's $half" "riva-api-$half" "$selector=$half" "$timeout"
    done
  fi
  say_health
}

say_health() {
  service_get riva-api:triton-http /v2/health/ready >/dev/null ||
    fail "the pods are ready, but http://riva-api:8000/v2/health/ready does not answer 200 (scripts/status.sh shows more)"
  ok "http://riva-api:8000/v2/health/ready answers 200"
  [ "$mode" = riva ] || return 0
  local model
  for model in $(riva_models riva-api | grep -v -E 'preproc|postproc|feature|vad|ctc-decoder|encoder|tokenizer|-am-' || true); do
    note "model $model"
  done
}

run_test() {
  step "a sentence, said and written down"
  run_helm_test riva-api || fail "the test failed${code:+ with status $code}: kubectl -n $namespace logs riva-api-test"
}

take_ngc_key
if ! $secrets_only; then check; else need_cluster; need_namespace; fi
put_ngc_secrets
if $secrets_only; then exit 0; fi
install
if $wait; then wait_until_ready; fi
if $test; then run_test; fi
echo "next: scripts/build_gateway.sh, then scripts/deploy_gateway.sh"
