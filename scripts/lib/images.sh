# shellcheck shell=bash
# This file is sourced after cluster.sh: which images were built here, and whether the nodes can have them.

images=${VOICE_IMAGES_DIR:-out/images}
dry_run=${dry_run:-false}
grace_s=${DEPLOY_GRACE_S:-45}
# Kubernetes lists so many images of a node, and no more.
images_listed=50

# Remembers what was built: NAME IMAGE WHERE(here, nodes, registry) PLATFORMS.
remember_image() {
  $dry_run && return
  mkdir -p "$images"
  printf '%s|%s|%s\n' "$2" "$3" "$4" >"$images/$1.built"
}

# Sets `built`, `built_where` and `built_for` to what was built last; status 1 where nothing was: NAME.
last_built() {
  built="" built_where="" built_for=""
  [ -r "$images/$1.built" ] || return 1
  # shellcheck disable=SC2034  # the callers read them
  IFS='|' read -r built built_where built_for <"$images/$1.built" && [ -n "$built" ]
}

# Prints the images of a YAML stream, one a line.
images_in() { sed -n 's/^ *-* *image: *"\{0,1\}\([^" ]*\)"\{0,1\} *$/\1/p' | sort -u; }

# Prints the images that nodes hold, a line for each node; each image is a list of its names, ["a","b"].
node_images() {
  kubectl --request-timeout=30s get nodes -o 'jsonpath={range .items[*]}{.status.images[*].names}{"\n"}{end}' 2>/dev/null || true
}

nodes_hold() { node_images | tr '[]", ' '\n' | grep -qxF -e "$1" -e "docker.io/library/$1"; }

# Succeeds where a node holds more images than it lists.
lists_are_full() { node_images | awk -F'[[]' -v most=$images_listed 'NF > most { full = 1 } END { exit !full }'; }

# Says before anything is installed that an image can be had from nowhere: IMAGE. A name without a
# registry or a folder is nobody's but the nodes' own; a node tells of a new image within half a minute.
need_image() {
  local waited=$SECONDS
  if $dry_run; then return 0; fi
  case "$1" in */* | *@*) return 0 ;; esac
  until nodes_hold "$1"; do
    if lists_are_full; then
      note "$1 must be in the nodes; they hold too many images to tell"
      return 0
    fi
    [ $((SECONDS - waited)) -lt "$grace_s" ] ||
      fail "no node holds $1, and its name leads to no registry: scripts/build_gateway.sh --load puts it into this machine's cluster, --registry NAME --push into a registry that the nodes can reach (--no-image-check: go on)"
    sleep "${DEPLOY_POLL_S:-5}"
  done
  ok "the nodes hold $1"
}

# Says that an image built here is for other processors than the nodes have: IMAGE PLATFORMS.
need_platform() {
  local nodes node
  if $dry_run || [ -z "$2" ]; then return 0; fi
  nodes=$(kubectl --request-timeout=30s get nodes -o 'jsonpath={range .items[*]}{.status.nodeInfo.architecture}{"\n"}{end}' 2>/dev/null | grep . | sort -u || true)
  for node in $nodes; do
    case ",$2," in *"/$node,"* | *"/$node/"*) return 0 ;; esac
  done
  [ -z "$nodes" ] ||
    fail "$1 was built for $2, and the nodes are $(echo "$nodes" | tr '\n' ' ' | sed 's/ $//'): scripts/build_gateway.sh --platform linux/$(echo "$nodes" | head -n 1)"
}

# Checks an image that is to be installed: IMAGE NAME-IT-IS-BUILT-UNDER.
check_image() {
  if last_built "$2" && [ "$built" = "$1" ]; then
    need_platform "$1" "$built_for"
    case "$built_where:$1" in
      here:*/*) note "$1 was built here; the nodes need it in its registry (scripts/build_gateway.sh --push, or push it yourself)" ;;
    esac
  fi
  need_image "$1"
}
