#!/usr/bin/env bash
# Installs what Riva and the gateway need first: namespace, volumes and the chat model.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/deploy_infra.sh [options]

Applies k8s/infra: the namespace, the storage class local-storage, volumes on one node, and the Llama
3.1 8B Instruct NIM, http://llm-nim:8000/v1. May be run again at any time.

  --node NAME        the node whose disks hold the models (node001)
  --settings FILE    other lines for k8s/infra/settings/cluster.env: NODE, paths, sizes, image
  --namespace NAME   instead of voice-workflow
  --llm WHAT         plain (default): a Deployment; operator: for the NIM Operator; none: volumes only
  --make-paths       make the volumes' folders on the node, with a Job in kube-system
  --no-wait          return once everything is applied
  --timeout SECONDS  longest wait for the chat model (3600)
  --dry-run          say what would be done, and change nothing; needs no cluster
  -h, --help

The key for NVIDIA's registry comes from NGC_API_KEY, from the file NGC_API_KEY_FILE, or from the
terminal. It is given to the cluster as secrets, and to nothing else.
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
# shellcheck source=scripts/lib/infra.sh
. scripts/lib/infra.sh

llm=plain
settings=""
changed=()
make_paths=false
wait=true
timeout=3600
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --node) changed+=("NODE=$(value_of "$@")"); shift ;;
    --namespace) namespace=$(value_of "$@"); changed+=("NAMESPACE=$namespace"); shift ;;
    --settings) settings=$(value_of "$@"); shift ;;
    --llm) llm=$(value_of "$@"); shift ;;
    --timeout) timeout=$(seconds_of "$@"); shift ;;
    --make-paths) make_paths=true ;;
    --no-wait) wait=false ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
case "$llm" in plain | operator) ;; none) llm=volumes ;; *) misused "--llm $llm: must be plain, operator or none" ;; esac

check() {
  step "checks"
  need_cluster
  need_node
  [ "$llm" = volumes ] || need_gpu
  if [ "$llm" = operator ] && ! $dry_run; then
    kubectl --request-timeout=30s get crd nimservices.apps.nvidia.com >/dev/null 2>&1 ||
      fail "the NIM Operator is not installed (no CRD nimservices.apps.nvidia.com): install it, or use --llm plain"
  fi
}

make_folders() {
  local namespace=kube-system said=""
  step "folders on $(setting NODE)"
  $dry_run || kube delete job voice-paths --ignore-not-found >/dev/null
  render_infra paths | apply || fail "the Job that makes the folders was not taken"
  $dry_run && return
  wait_for_job voice-paths 300 ||
    fail "the folders were not made: $said (kubectl -n kube-system describe job voice-paths); or make them by hand on $(setting NODE): $(by_hand)"
  kube delete job voice-paths --ignore-not-found >/dev/null
  ok "made"
}

# Prints what the Job does, as a command for somebody on the node.
by_hand() {
  local folders
  folders="$(setting RIVA_PATH) $(setting LLM_PATH) $(setting ASR_PATH) $(setting TTS_PATH)"
  echo "sudo mkdir -p $folders && sudo chown 1000:1000 $folders"
}

# The folder and the node of a volume cannot be changed afterwards; say so before half is applied.
check_volumes() {
  $dry_run && return
  local volume path node
  for volume in riva llm asr tts; do
    path=$(kubectl get pv "voice-$volume" -o 'jsonpath={.spec.local.path}|{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}' 2>/dev/null) || continue
    node=${path#*|}
    path=${path%%|*}
    [ "$path|$node" = "$(setting "$(echo "$volume" | tr '[:lower:]' '[:upper:]')_PATH")|$(setting NODE)" ] ||
      fail "the volume voice-$volume is there with the folder $path on $node, which cannot be changed: scripts/teardown.sh --volumes removes it (its files stay on the disk), then run this again"
  done
}

# A volume whose claim was deleted is reserved for that claim for ever; free it for the new one.
free_released() {
  $dry_run && return
  local volume
  for volume in riva llm asr tts; do
    if [ "$(kubectl get pv "voice-$volume" -o 'jsonpath={.status.phase}' 2>/dev/null)" = Released ]; then
      kubectl patch pv "voice-$volume" --type json -p '[{"op":"remove","path":"/spec/claimRef/uid"},{"op":"remove","path":"/spec/claimRef/resourceVersion"}]' >/dev/null ||
        fail "the volume voice-$volume is reserved for a claim that is gone, and cannot be freed"
      note "voice-$volume was reserved for a claim that is gone; it is free again"
    fi
  done
}

prepare_infra "$settings" ${changed[@]+"${changed[@]}"}
namespace=$(setting NAMESPACE)
take_ngc_key
check
if $make_paths; then make_folders; fi
check_volumes
step "namespace and volumes"
render_infra volumes | apply || fail "the namespace and volumes were not taken (see above)"
free_released
[ "$llm" != volumes ] || exit 0
put_ngc_secrets
step "chat model ($llm)"
render_infra "$llm" | apply || fail "the chat model was not taken (see above)"
if $wait && ! $dry_run; then
  wait_for_pods "the chat model" llm-nim app.kubernetes.io/name=llm-nim "$timeout"
  names=$(llm_model_names | tr '\n' ' ')
  ok "models: ${names:-not told}"
fi
echo "next: scripts/deploy_riva.sh"
