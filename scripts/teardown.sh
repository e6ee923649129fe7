#!/usr/bin/env bash
# Removes what the deployment scripts made: the releases, and what else is asked for.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/teardown.sh [options]

Without options: the gateway, Riva and the chat model. Volumes (models take long to fetch), secrets and
the namespace stay. What is not there is passed over; may be run again at any time. Nothing is taken away
that these scripts did not make, or that another namespace uses.

  --only WHAT        gateway, riva or llm; may be repeated
  --volumes          the claims and volumes too; the files on the node's disk stay
  --secrets          the secrets too
  --all              everything, the namespace too, and the storage class where nobody uses it
  --namespace NAME   instead of voice-workflow
  --yes              do not ask
  --dry-run          say what would be done, and change nothing
  -h, --help
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh
# shellcheck source=scripts/lib/cluster.sh
. scripts/lib/cluster.sh
# shellcheck source=scripts/lib/volumes.sh
. scripts/lib/volumes.sh

what=""
volumes_too=false
secrets=false
all=false
yes=false
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --only)
      case "$(value_of "$@")" in gateway | riva | llm) what="$what $2" ;; *) misused "--only $2: must be gateway, riva or llm" ;; esac
      shift
      ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    --volumes) volumes_too=true ;;
    --secrets) secrets=true ;;
    --all) volumes_too=true secrets=true all=true ;;
    --yes) yes=true ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
what=${what:-gateway riva llm}

ask() {
  if $yes || $dry_run; then return; fi
  local also=""
  if $volumes_too; then also="$also, the volumes"; fi
  if $secrets; then also="$also, the secrets"; fi
  if $all; then also="$also, the namespace with all that is in it"; fi
  [ -t 0 ] || misused "this takes away $what$also in $namespace: say --yes where nobody can be asked"
  local answer
  printf 'take away %s in %s (context %s)? [y/N] ' "$what$also" "$namespace" "$(kubectl config current-context 2>/dev/null)"
  read -r answer
  case "$answer" in y | Y | yes) ;; *) fail "nothing was taken away" ;; esac
}

uninstall() {
  step "release $1"
  if $dry_run || helm status "$1" --namespace "$namespace" >/dev/null 2>&1; then
    change helm uninstall "$1" --namespace "$namespace" --ignore-not-found --wait --timeout 10m ||
      fail "$1 could not be taken away in 10 minutes; calls may still run: run this again"
  else
    note "not there"
  fi
}

delete() { change kubectl --namespace "$namespace" delete --ignore-not-found "$@" || fail "could not delete $*"; }

take_llm() {
  step "chat model"
  delete deployment,service,networkpolicy llm-nim
  if $dry_run || kubectl --request-timeout=15s get crd nimservices.apps.nvidia.com >/dev/null 2>&1; then
    delete nimservices.apps.nvidia.com,nimcaches.apps.nvidia.com llm-nim
  fi
}

take_volumes() {
  step "volumes"
  delete pvc riva-workdir-pvc llm-nim-cache asr-nim-cache tts-nim-cache
  # A volume outlives its claim: files of models are not deleted by mistake.
  local mine
  if $dry_run; then
    note "would take away the volumes of this namespace's claims"
    return
  fi
  mine=$(own_volumes)
  # shellcheck disable=SC2086  # a list of names
  if [ -n "$mine" ]; then delete pv $mine; else note "no volume is this namespace's"; fi
}

take_secrets() {
  local name
  step "secrets"
  for name in ngc-api modelpullsecret imagepullsecret riva-model-deploy-key voice-gateway-keys; do
    if $dry_run || ours secret "$name"; then
      delete secret "$name"
    elif there secret "$name"; then
      note "$name stays: these scripts did not make it"
    fi
  done
}

take_namespace() {
  step "namespace"
  if $dry_run || ours namespace "$namespace"; then
    delete namespace "$namespace"
  elif there namespace "$namespace"; then
    note "$namespace stays, it was there before: kubectl delete namespace $namespace takes it away with all that is in it"
  fi
}

take_storage_class() {
  step "storage class"
  if $dry_run; then
    note "would take away local-storage, where these scripts made it and nobody uses it"
  elif ! ours storageclass local-storage; then
    note "none of these scripts'"
  elif [ -n "$(users_of_class local-storage)" ]; then
    note "local-storage stays: $(users_of_class local-storage | tr '\n' ' ' | sed 's/ $//') use it"
  else
    delete storageclass local-storage
  fi
}

need_cluster
need_helm
ask
for one in $what; do
  case "$one" in
    gateway) uninstall voice-gateway ;;
    riva) uninstall riva-api ;;
    llm) take_llm ;;
  esac
done
if $volumes_too; then take_volumes; fi
if $secrets; then take_secrets; fi
if $all; then
  take_namespace
  take_storage_class
fi
