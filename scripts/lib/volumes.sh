# shellcheck shell=bash
# This file is sourced after cluster.sh, and after infra.sh where volumes are made: where the claims'
# volumes come from, and whose they are.

namespace=${namespace:-voice-workflow}
dry_run=${dry_run:-false}
# The claims, and the settings that name each one's folder.
volumes="riva llm asr tts"
no_provisioner=kubernetes.io/no-provisioner
# made: by the claims' class. folders: folders of one node.
volumes_are=folders

volume_name() { echo "$(setting VOLUMES)-$1"; }
folder_setting() { echo "$(echo "$1" | tr '[:lower:]' '[:upper:]')_PATH"; }

# The cluster's volumes, NAME|NAMESPACE OF ITS CLAIM|FOLDER|NODE|PHASE each, as they were when this was asked.
known_volumes=""
look_at_volumes() {
  $dry_run && return
  known_volumes=$(kubectl --request-timeout=30s get pv -o \
    'jsonpath={range .items[*]}{.metadata.name}{"|"}{.spec.claimRef.namespace}{"|"}{.spec.local.path}{"|"}{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}{"|"}{.status.phase}{"\n"}{end}' 2>/dev/null || true)
}

# Prints one of them: NAME.
known_volume() { echo "$known_volumes" | grep "^$1|" || true; }

# Names the volumes of this namespace. The names of the first installation stay with it.
name_volumes() {
  local first
  first=$(known_volume voice-riva | cut -d '|' -f 2)
  case "$first:$namespace" in
    "$namespace:$namespace" | :voice-workflow) return ;;
  esac
  [ "$(setting VOLUMES)" = voice ] || return 0
  set_one "VOLUMES=voice-$namespace"
  local volume name
  for volume in $volumes; do
    name=$(folder_setting "$volume")
    case "$(setting "$name")" in /data/*) set_one "$name=/data/$namespace/$(setting "$name" | cut -d / -f 3-)" ;; esac
  done
}

makes_volumes() {
  local by
  by=$(kubectl --request-timeout=30s get storageclass "$1" -o 'jsonpath={.provisioner}' 2>/dev/null || true)
  [ -n "$by" ] && [ "$by" != "$no_provisioner" ]
}

# Prints the cluster's default class, where it makes volumes.
default_class() {
  local class
  class=$(kubectl --request-timeout=30s get storageclass -o \
    'jsonpath={range .items[*]}{.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}{"|"}{.metadata.name}{"\n"}{end}' 2>/dev/null |
    awk -F'|' '$1 == "true" { print $2; exit }' || true)
  if [ -n "$class" ] && makes_volumes "$class"; then echo "$class"; fi
}

node_is_there() {
  [ -n "$(kubectl --request-timeout=30s get nodes -l "kubernetes.io/hostname=$1" -o name 2>/dev/null)" ]
}

# Prints the only node that has a GPU; nothing where there are several, or none.
only_gpu_node() { gpu_nodes | awk -F'|' '$2 > 0 { n++; name = $1 } END { if (n == 1) print name }'; }

use_class() {
  set_one "STORAGE_CLASS=$1"
  if makes_volumes "$1"; then
    volumes_are=made
    ok "volumes: the class $1 makes them"
  fi
}

# Decides between a class that makes volumes and folders of a node: GIVEN-CLASS, and whether a NODE was
# given, and FOLDERS.
choose_volumes() {
  local given=$1 node_given=$2 folders_given=$3 there class node
  there=$(kube get pvc riva-workdir-pvc -o 'jsonpath={.spec.storageClassName}' 2>/dev/null || true)
  if [ -n "$there" ] && [ -n "$given" ] && [ "$there" != "$given" ]; then
    fail "--storage-class $given: the claims of $namespace have the class $there, which cannot be changed: leave it out, or scripts/teardown.sh --volumes first (files stay)"
  fi
  case "$given" in "" | local-storage) ;; *) need_storage_class "$given" ;; esac
  if [ -n "$there$given" ]; then use_class "${there:-$given}"; fi
  [ "$volumes_are" = folders ] || return 0
  if $node_given || node_is_there "$(setting NODE)"; then return; fi
  class=$(default_class)
  if [ -n "$class" ] && [ -z "$there$given" ] && ! $folders_given; then
    use_class "$class"
    return
  fi
  node=$(only_gpu_node)
  [ -n "$node" ] || return 0 # need_node says what is missing
  set_one "NODE=$node"
  ok "volumes: folders of $node, the only node with GPUs"
}

# Says, before half is applied, what cannot be changed afterwards, and what is somebody else's.
check_volumes() {
  local volume name folder known owner path node
  for volume in $volumes; do
    name=$(volume_name "$volume") folder=$(setting "$(folder_setting "$volume")")
    IFS='|' read -r known owner path node _ <<EOF
$(known_volume "$name")
EOF
    if [ -z "$known" ]; then continue; fi
    case "$owner" in "" | "$namespace") ;; *) fail "the volume $name belongs to the namespace $owner: give yours other names with VOLUMES in --settings FILE" ;; esac
    [ "$path|$node" = "$folder|$(setting NODE)" ] ||
      fail "the volume $name is there with the folder $path on $node, which cannot be changed: scripts/teardown.sh --volumes removes it (its files stay on the disk), then run this again"
  done
  check_folders
}

# Two installations in one folder would build into each other's models.
check_folders() {
  local name owner path node volume
  while IFS='|' read -r name owner path node _; do
    if [ -z "$path" ] || [ "$owner" = "$namespace" ] || [ "$node" != "$(setting NODE)" ]; then continue; fi
    for volume in $volumes; do
      [ "$path" != "$(setting "$(folder_setting "$volume")")" ] ||
        fail "the folder $path on $node is taken by the volume $name${owner:+ of the namespace $owner}: give another as $(folder_setting "$volume") in --settings FILE"
    done
  done <<EOF
$known_volumes
EOF
}

# Succeeds where all volumes are there: their folders were made then, or by hand.
volumes_are_there() {
  local volume
  for volume in $volumes; do
    [ -n "$(known_volume "$(volume_name "$volume")")" ] || return 1
  done
}

# A volume whose claim was deleted is reserved for that claim for ever; free it for the new one.
free_released() {
  local volume name
  for volume in $volumes; do
    name=$(volume_name "$volume")
    case "$(known_volume "$name")" in *"|Released") ;; *) continue ;; esac
    kubectl patch pv "$name" --type json -p '[{"op":"remove","path":"/spec/claimRef/uid"},{"op":"remove","path":"/spec/claimRef/resourceVersion"}]' >/dev/null ||
      fail "the volume $name is reserved for a claim that is gone, and cannot be freed"
    note "$name was reserved for a claim that is gone; it is free again"
  done
}

# Passes the manifests on without what is there and belongs to others, and without volumes that a class makes.
without_others() {
  local leave=""
  if [ "$volumes_are" = made ]; then leave="PersistentVolume StorageClass"; fi
  if ! $dry_run; then
    if there storageclass "$(setting STORAGE_CLASS)"; then leave="$leave StorageClass"; fi
    if there namespace "$namespace" && ! ours namespace "$namespace"; then leave="$leave Namespace"; fi
  fi
  # shellcheck disable=SC2086  # a list of words
  without $leave
}

# Prints the volumes that scripts/deploy_infra.sh made for this namespace; they are the whole cluster's, and
# others have theirs under names of the same kind.
own_volumes() {
  kubectl --request-timeout=30s get pv -l app.kubernetes.io/part-of=voice-workflow -o \
    'jsonpath={range .items[*]}{.metadata.name}{"|"}{.spec.claimRef.namespace}{"\n"}{end}' 2>/dev/null |
    awk -F'|' -v here="$namespace" '$2 == here { print $1 }' || true
}

# Prints what has a class: volumes, and claims of any namespace.
users_of_class() {
  kubectl --request-timeout=30s get pv,pvc --all-namespaces -o \
    'jsonpath={range .items[*]}{.spec.storageClassName}{"|"}{.metadata.name}{"\n"}{end}' 2>/dev/null |
    awk -F'|' -v class="$1" '$1 == class { print $2 }' || true
}
