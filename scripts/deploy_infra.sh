#!/usr/bin/env bash
# Installs what Riva and the gateway need first: namespace, volumes and the chat model.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/deploy_infra.sh [options]

Applies k8s/infra: the namespace, volumes, and the Llama 3.1 8B Instruct NIM, http://llm-nim:8000/v1. May
be run again at any time. It needs 2 GPUs that are free, one for the chat model and one for Riva; 3 where
Riva is speech NIMs; or one of 80 GB that is shared (--one-gpu). Nothing is installed where they are missing.

Volumes are folders of the node in k8s/infra/settings/cluster.env (node001), which a Job makes, or of
--node, or of the only node with GPUs; where the cluster's default storage class makes volumes, and none
of these is there, that class makes them.

  --node NAME        the node whose disks hold the models
  --storage-class NAME  have this class make the volumes
  --settings FILE    other lines for k8s/infra/settings/cluster.env: NODE, paths, sizes, image
  --namespace NAME   instead of voice-workflow; its volumes have names and folders of their own
  --llm WHAT         plain (default): a Deployment; operator: for the NIM Operator; none: volumes only
  --speech WHAT      what else will want GPUs: riva (default), nim, none
  --one-gpu          the GPUs are shares of one of 80 GB: give the chat model 0.6 of its memory
  --no-make-paths    the volumes' folders are there; make none
  --make-paths       make them also where the volumes are there already
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
# shellcheck source=scripts/lib/volumes.sh
. scripts/lib/volumes.sh

llm=plain
speech=riva
storage_class=""
node_given=false
one_gpu=false
settings=""
changed=()
make_paths=new
wait=true
timeout=3600
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --node) changed+=("NODE=$(value_of "$@")"); node_given=true; shift ;;
    --storage-class) storage_class=$(value_of "$@"); shift ;;
    --speech) speech=$(value_of "$@"); shift ;;
    --one-gpu) one_gpu=true ;;
    --namespace) namespace=$(value_of "$@"); changed+=("NAMESPACE=$namespace"); shift ;;
    --settings) settings=$(value_of "$@"); shift ;;
    --llm) llm=$(value_of "$@"); shift ;;
    --timeout) timeout=$(seconds_of "$@"); shift ;;
    --make-paths) make_paths=always ;;
    --no-make-paths) make_paths=never ;;
    --no-wait) wait=false ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
case "$llm" in plain | operator) ;; none) llm=volumes ;; *) misused "--llm $llm: must be plain, operator or none" ;; esac
case "$speech" in riva | nim | none) ;; *) misused "--speech $speech: must be riva, nim or none" ;; esac
if $node_given && [ -n "$storage_class" ]; then misused "--node and --storage-class: give one, folders of a node or a class"; fi

check() {
  step "checks"
  need_cluster
  local folders_given=false
  if [ -n "$settings" ]; then
    if grep -q '^NODE=' "$settings"; then node_given=true; fi
    if grep -Eq '^[A-Z]+_PATH=/' "$settings"; then folders_given=true; fi
    storage_class=${storage_class:-$(sed -n 's/^STORAGE_CLASS=//p' "$settings" | grep -v '^local-storage$' || true)}
  fi
  if ! $dry_run; then
    choose_volumes "$storage_class" "$node_given" "$folders_given"
  elif [ -n "$storage_class" ]; then
    set_one "STORAGE_CLASS=$storage_class"
    volumes_are=made
  fi
  if [ "$volumes_are" = folders ]; then need_node; fi
  if [ "$llm" != volumes ]; then check_gpus; fi
  if [ "$llm" = operator ] && ! $dry_run; then
    kubectl --request-timeout=30s get crd nimservices.apps.nvidia.com >/dev/null 2>&1 ||
      fail "the NIM Operator is not installed (no CRD nimservices.apps.nvidia.com): install it, or use --llm plain"
  fi
}

# The model would be fetched for an hour before anybody saw that nothing is left for Riva.
check_gpus() {
  case "$speech" in
    riva) need_gpu 2 "the chat model 1, Riva 1; see --speech" llm-nim riva-api ;;
    nim) need_gpu 3 "the chat model 1, the speech NIMs 2" llm-nim riva-api ;;
    none) need_gpu 1 "the chat model" llm-nim ;;
  esac
  $dry_run || check_sharing
}

# Says where GPUs are shares of one, and its memory is not enough or is not divided.
check_sharing() {
  local node gpus shares memory
  while IFS='|' read -r node gpus shares memory; do
    case "$gpus" in "" | *[!0-9]*) continue ;; esac
    case "$memory" in "" | *[!0-9]*) memory=80000 ;; esac
    if $one_gpu && [ "$memory" -lt 78000 ]; then
      fail "--one-gpu: a GPU of $node has $memory MiB, and the chat model and speech want 80 GB together: use two GPUs, or one of them elsewhere (--llm none, --speech none)"
    fi
    case "$shares" in "" | 0 | 1 | *[!0-9]*) continue ;; esac
    if [ "$gpus" = "$shares" ] && [ "$speech" != none ] && [ -z "$(setting LLM_GPU_MEMORY)" ]; then
      fail "$node offers one GPU $shares times, and the chat model alone would take nine tenths of its memory: add --one-gpu (80 GB), or set LLM_GPU_MEMORY in --settings FILE"
    fi
  done <<EOF
$(gpu_nodes)
EOF
}

make_folders() {
  local namespace=kube-system said=""
  step "folders on $(setting NODE)"
  $dry_run || kube delete job voice-paths --ignore-not-found >/dev/null
  render_infra paths | apply || fail "the Job that makes the folders was not taken (see above): make them by hand on $(setting NODE): $(by_hand); then run this with --no-make-paths"
  $dry_run && return
  wait_for_job voice-paths 300 ||
    fail "the folders were not made: $said (kubectl -n kube-system describe job voice-paths); or make them by hand on $(setting NODE): $(by_hand); then run this with --no-make-paths"
  kube delete job voice-paths --ignore-not-found >/dev/null
  ok "made"
}

# Prints what the Job does, as a command for somebody on the node.
by_hand() {
  local folders
  folders="$(setting RIVA_PATH) $(setting LLM_PATH) $(setting ASR_PATH) $(setting TTS_PATH)"
  echo "sudo mkdir -p $folders && sudo chown 1000:1000 $folders"
}

# Applies one variant, and in it only what is this installation's.
apply_infra() {
  local manifests
  manifests=$(render_infra "$1") || exit 1
  echo "$manifests" | without_others | apply || fail "$2 (see above)"
}

prepare_infra "$settings" ${changed[@]+"${changed[@]}"}
namespace=$(setting NAMESPACE)
gpu_resource=$(setting GPU_RESOURCE)
if $one_gpu && [ -z "$(setting LLM_GPU_MEMORY)" ]; then set_one LLM_GPU_MEMORY=0.6; fi
patch_chat_model
take_ngc_key
check
if [ "$volumes_are" = folders ]; then
  look_at_volumes
  name_volumes
  check_volumes
  case "$make_paths" in
    always) make_folders ;;
    new) if $dry_run || ! volumes_are_there; then make_folders; fi ;;
  esac
fi
step "namespace and volumes"
apply_infra volumes "the namespace and volumes were not taken"
if [ "$volumes_are" = folders ] && ! $dry_run; then free_released; fi
[ "$llm" != volumes ] || exit 0
put_ngc_secrets
step "chat model ($llm)"
apply_infra "$llm" "the chat model was not taken"
if $wait && ! $dry_run; then
  wait_for_pods "the chat model" llm-nim app.kubernetes.io/name=llm-nim "$timeout"
  names=$(llm_model_names | tr '\n' ' ')
  ok "models: ${names:-not told}"
fi
if [ "$speech" = nim ]; then echo "next: scripts/deploy_riva.sh --mode nim"; else echo "next: scripts/deploy_riva.sh"; fi
