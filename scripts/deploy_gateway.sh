#!/usr/bin/env bash
# Installs the gateway's chart in the cluster, and waits until callers can reach it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/deploy_gateway.sh [options]

Installs or upgrades helm/voice-workflow as the release voice-gateway. Calls that run are finished by
the old pods. May be run again at any time.

  --overlay NAME     helm/voice-workflow/overlays/NAME.yaml: gpu-cluster (default), laptop-cluster, ...;
                     may be repeated: --overlay gpu-cluster --overlay hindi
  --values FILE      further Helm values; may be repeated
  --image NAME[:TAG] the image; without it, what the values name, or else what scripts/build_gateway.sh
                     built last
  --no-image-check   install also where no node holds the image and no registry has it
  --namespace NAME   instead of voice-workflow; it is made where it is missing
  --test             afterwards hold one spoken turn inside the cluster
  --no-wait          return once the chart is installed
  --timeout SECONDS  longest wait (900)
  --dry-run          say what would be done, and change nothing; needs no cluster
  -h, --help

LLM_API_KEY and RIVA_API_KEY (or LLM_API_KEY_FILE, RIVA_API_KEY_FILE), where the servers want one, go
into the secret voice-gateway-keys; once it is there it is used again.
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

release=voice-gateway
service=voice-gateway-gateway
overlays=()
values=()
image_check=true
test=false
wait=true
timeout=900
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --overlay) overlays+=("$(value_of "$@")"); shift ;;
    --values | -f) values+=(--values "$(value_of "$@")"); shift ;;
    --image) image=$(value_of "$@"); shift ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    --timeout) timeout=$(seconds_of "$@"); shift ;;
    --no-image-check) image_check=false ;;
    --test) test=true ;;
    --no-wait) wait=false ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
[ "${#overlays[@]}" -gt 0 ] || overlays=(gpu-cluster)

# The overlays come in their order, then the user's own values.
given=(${values[@]+"${values[@]}"})
values=()
for overlay in "${overlays[@]}"; do
  file=helm/voice-workflow/overlays/$overlay.yaml
  [ -r "$file" ] ||
    misused "--overlay $overlay: must be one of $(basename -s .yaml helm/voice-workflow/overlays/*.yaml | tr '\n' ' ')"
  values+=(--values "$file")
done
values+=(${given[@]+"${given[@]}"})

# Writes NAME[:TAG] as the chart's values; a colon before a slash belongs to the registry.
add_image() {
  local name=$1 tag=""
  case "${name##*/}" in *:*) tag=${name##*:} name=${name%:*} ;; esac
  values+=(--set-string "image.repository=$name")
  [ -z "$tag" ] || values+=(--set-string "image.tag=$tag")
}

render() { helm template "$release" helm/voice-workflow --namespace "$namespace" "${values[@]}" 2>&1; }

# What was built last stands in for the chart's own image, where no values name another: NAME VALUES'-PLACE.
use_built() {
  local own
  own=$1:$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' helm/voice-workflow/Chart.yaml)
  echo "$rendered" | images_in | grep -qxF "$own" || return 0
  last_built "$1" && [ "$built" != "$own" ] || return 0
  values+=(--set-string "$2.repository=${built%:*},$2.tag=${built##*:}")
  ok "image: $built, built last"
}

check_images() {
  local one
  for one in $(echo "$rendered" | images_in); do
    case "$one" in
      *voice-local-stack*) check_image "$one" voice-local-stack ;;
      *) check_image "$one" voice-gateway ;;
    esac
  done
}

keys=voice-gateway-keys
# Puts both keys in one Secret; the chart is told its name, never a key.
put_keys() {
  take_key LLM_API_KEY
  local llm_key=$taken
  take_key RIVA_API_KEY
  if [ -n "$llm_key$taken" ]; then
    step "secret $keys"
    { [ -z "$llm_key" ] || printf 'LLM_API_KEY|%s\n' "$llm_key"; [ -z "$taken" ] || printf 'RIVA_API_KEY|%s\n' "$taken"; } |
      put_secrets "$keys" || fail "the secret $keys was not taken"
  elif $dry_run || ! there secret "$keys"; then
    return 0
  fi
  values+=(--set-string "existingSecret=$keys")
}

check() {
  step "checks"
  need_cluster
  need_helm
  local rendered
  rendered=$(render) ||
    fail "the chart refuses these values: $(echo "$rendered" | hide_keys | tail -n 3 | tr '\n' ' ')"
  ok "the chart takes these values"
  [ -n "${image:-}" ] || use_built voice-gateway image
  use_built voice-local-stack localStack.image
  if $image_check; then
    rendered=$(render)
    check_images
  fi
  need_no_first_version "$service" app=voice-gateway "$release"
  $dry_run || there namespace "$namespace" || make_namespace
}

# The label says that scripts/teardown.sh may take it away again.
make_namespace() {
  change kubectl create namespace "$namespace" || fail "the namespace $namespace cannot be made"
  kubectl label namespace "$namespace" app.kubernetes.io/part-of=voice-workflow >/dev/null || true
}

install() {
  step "chart voice-workflow (${overlays[*]})"
  change helm upgrade --install "$release" helm/voice-workflow --namespace "$namespace" "${values[@]}" ||
    fail "Helm could not install $release (see above)"
}

wait_until_ready() {
  $dry_run && return
  local name
  for name in $(kube get deployments -l "app.kubernetes.io/instance=$release" -o 'jsonpath={.items[*].metadata.name}'); do
    wait_for_pods "$name" "$name" "$(selector_of "$name")" "$timeout"
  done
}

# Says what the client's exit status means for the turn.
why_test_failed() {
  local pod=$service-conversation
  case "$code" in
    3) echo "the gateway was not reached; kubectl -n $namespace get networkpolicy, then scripts/status.sh" ;;
    4) echo "the call was refused or broke off; kubectl -n $namespace logs $pod" ;;
    5) echo "nothing was recognised: set test.text where Riva hears another language than English; kubectl -n $namespace logs $pod" ;;
    6) echo "the answer had no audio; kubectl -n $namespace logs deployment/$service" ;;
    "") echo "its pod did not end (${said:-not made}); kubectl -n $namespace describe pod $pod" ;;
    *) echo "kubectl -n $namespace logs $pod (status $code)" ;;
  esac
}

say_how_to_call() {
  cat <<TEXT
callers reach it
  on this machine   kubectl -n $namespace port-forward svc/$service 50051:50051
  from another      ssh -L 50051:localhost:50051 USER@THIS-HOST   (with the line above running here)
  then              uv run voice text "What is a neural network?"
TEXT
}

if [ -n "${image:-}" ]; then add_image "$image"; fi
check
put_keys
install
if $wait; then wait_until_ready; fi
if $test; then
  step "one spoken turn"
  run_helm_test "$release" || fail "the test failed: $(why_test_failed)"
fi
say_how_to_call
