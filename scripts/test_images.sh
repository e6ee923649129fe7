#!/usr/bin/env bash
# Builds both images, checks their user, content and size, then calls one with the other.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test_images.sh [--twice] [--keep]

Needs Linux, root and Debian's packages (buildah, mmdebstrap: installed where they are missing); about
three minutes. It reaches no image registry: a Debian root file system with Python stands in for the
base image.

  --twice   build the gateway a second time: its layers must come out the same, byte for byte
  --keep    keep the images, and say how to reach them
TEXT
}

twice=false
keep=false
for argument in "$@"; do
  case "$argument" in
    -h | --help) usage; exit 0 ;;
    --twice) twice=true ;;
    --keep) keep=true ;;
    *) echo "test_images: unknown option $argument (see --help)" >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
fail() {
  echo "test_images: $*" >&2
  exit 1
}
ok() { echo "ok    $*"; }

if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then fail "needs root on Linux"; fi
for tool in buildah mmdebstrap; do
  command -v "$tool" >/dev/null 2>&1 && continue
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends buildah mmdebstrap \
    >/dev/null || fail "apt-get could not install buildah and mmdebstrap"
  break
done

cache=$PWD/.cache/images
work=$(mktemp -d "${TMPDIR:-/tmp}/voice-images.XXXXXX")
base=localhost/voice-test-base
certificates=/etc/ssl/certs/ca-certificates.crt
servers=()
mkdir -p "$cache"
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
# Overlay mounts of the kernel, where they are allowed, cost fewer copies.
mkdir "$work/lower" "$work/upper" "$work/scratch" "$work/merged"
if mount -t overlay overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/scratch" "$work/merged" 2>/dev/null; then
  umount "$work/merged"
  STORAGE_DRIVER=overlay
fi
store=$cache/$STORAGE_DRIVER
b() { buildah --root "$store" --runroot "$work/run" "$@"; }

leave() {
  local status=$?
  trap - EXIT
  local pid
  for pid in "${servers[@]+"${servers[@]}"}"; do
    kill -- "-$pid" 2>/dev/null || true
  done
  b rm --all >/dev/null 2>&1 || true
  if ! $keep; then
    b rmi --all --force >/dev/null 2>&1 || true
    rm -rf "$store"
  fi
  rm -rf "$work"
  exit "$status"
}
trap leave EXIT
trap 'exit 143' INT TERM

# --- building ---

# The build takes a copy of the tree, so that edits meanwhile do not matter.
take_snapshot() {
  mkdir "$work/tree"
  git ls-files -z --cached --others --exclude-standard |
    tar --null --ignore-failed-read --files-from=- --create 2>/dev/null | tar --extract --directory "$work/tree"
}

# This is what python:3.13-slim-trixie is made of: Debian with a Python, without a compiler.
make_base() {
  local tar=$cache/trixie.tar container
  if [ ! -s "$tar" ]; then
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
      --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      trixie "$tar.part" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; fail "mmdebstrap made no base"; }
    mv "$tar.part" "$tar"
  fi
  container=$(b from scratch)
  b add --quiet "$container" "$tar" / >/dev/null
  b config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  b commit --quiet --rm "$container" "$base" >/dev/null
}

build() { # NAME FOLDER [OPTIONS]
  local name=$1 folder=$2
  shift 2
  b bud --quiet --pull-never --format docker --timestamp 0 --volume "$certificates:$certificates:ro" \
    --build-arg "PYTHON_IMAGE=$base" --file "$work/tree/$folder/Dockerfile" --tag "localhost/$name" "$@" "$work/tree" \
    >"$work/$name.log" 2>&1 || { tail -n 20 "$work/$name.log" >&2; fail "$name was not built"; }
}

# --- looking ---

inspect() { b inspect --type image --format "$2" "localhost/$1"; }

megabytes() { du -sm "$1" | cut -f 1; }

look() { # NAME MOST_MB
  local name=$1 most=$2 container root found size
  [ "$(inspect "$name" '{{.Docker.Config.User}}')" = 10001:10001 ] || fail "$name: is not run by 10001"
  inspect "$name" '{{.Docker.Config.Healthcheck.Test}}' | grep -q grpc-health || fail "$name: has no health check"
  inspect "$name" '{{index .Docker.Config.Labels "org.opencontainers.image.licenses"}}' | grep -q Apache-2.0 ||
    fail "$name: has no labels"
  container=$(b from "localhost/$name")
  root=$(b mount "$container")
  found=$(find "$root" -xdev \( -type f -o -type l \) \( -name 'gcc*' -o -name 'cc' -o -name 'g++*' -o -name 'make' \
    -o -name 'ld' -o -name 'as' -o -name 'uv' -o -name 'protoc*' -o -name '_protoc_compiler*' \) -path '*bin*' | head -n 3)
  [ -z "$found" ] || fail "$name: holds build tools: $found"
  found=$(find "$root/opt/voice" \( -user 10001 -o -perm -o+w \) ! -type l | head -n 3)
  [ -z "$found" ] || fail "$name: its own user could change $found"
  found=$(find "$root/opt/voice" -path '*/site-packages/voice_*' \( -name '.env' -o -name '.git' -o -name tests -o -name testing -o -name voice_sim \) | head -n 3)
  [ -z "$found" ] || fail "$name: holds what does not belong there: $found"
  size=$(megabytes "$root/opt/voice")
  [ "$size" -le "$most" ] || fail "$name: $size MB over its base, allowed are $most"
  ok "$name: user 10001, no build tools, health check, labels; $size MB over its base"
}

# --- running ---

run() { # NAME COMMAND...: in a container of that image, as its user
  local container
  container=$(b from "localhost/$1")
  shift
  b run --user 10001:10001 "$container" -- "$@"
}

serve() { # NAME COMMAND...: in the background, until its ready line
  local name=$1 tries=0
  set -m
  run "$@" >"$work/$name.out" 2>"$work/$name.err" &
  set +m
  servers+=($!)
  until grep -q '^ready: ' "$work/$name.out"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 240 ] || ! kill -0 "${servers[${#servers[@]} - 1]}" 2>/dev/null; then
      tail -n 8 "$work/$name.err" >&2
      fail "$name did not start"
    fi
    sleep 0.5
  done
}

field() { tr ' ' '\n' <"$work/$1.out" | sed -n "s/^$2=//p" | head -n 1; }

hold_a_turn() {
  local riva llm port
  # The test's containers share this machine's network, so they take any free ports.
  serve voice-local-stack voice-local --host 127.0.0.1 --riva-port 0 --llm-port 0 --llm smollm2 --offline
  riva=$(field voice-local-stack riva)
  llm=$(field voice-local-stack llm)
  run voice-local-stack grpc-health "$riva" || fail "the local stack's health check fails"
  serve voice-gateway env "RIVA_URI=$riva" "LLM_BASE_URL=$llm" LLM_MODEL=smollm2 LLM_FIRST_TOKEN_TIMEOUT_S=60 \
    GRPC_HOST=127.0.0.1 GRPC_PORT=0 HTTP_PORT=0 voice-gateway
  port=$(field voice-gateway grpc)
  run voice-gateway grpc-health "$port" || fail "the gateway's health check fails"
  if run voice-gateway grpc-health "127.0.0.1:1" 2>/dev/null; then fail "the health check passes without a server"; fi
  run voice-gateway voice wav @en_weather_synth --json --server "$port" >"$work/turn.json" ||
    { tail -n 5 "$work/voice-gateway.err" >&2; fail "no turn was held: $(cat "$work/turn.json")"; }
  ok "one image calls the other: $(sed -n 's/^ *"heard": //p' "$work/turn.json") is answered"
}

began=$SECONDS
take_snapshot
make_base
ok "base of Debian with Python ($((SECONDS - began)) s)"
build voice-gateway services/voice-gateway
build voice-local-stack services/local-stack --build-arg LLM=smollm2
ok "both images built ($((SECONDS - began)) s, $STORAGE_DRIVER)"
if $twice; then
  # The image's own digest will not do: buildah notes its random names in Docker's format.
  first=$(inspect voice-gateway '{{.OCIv1.RootFS.DiffIDs}}')
  build voice-gateway services/voice-gateway
  [ "$(inspect voice-gateway '{{.OCIv1.RootFS.DiffIDs}}')" = "$first" ] || fail "the second build differs from the first"
  ok "a second build has the same layers: $first"
fi
look voice-gateway 260
look voice-local-stack 300
hold_a_turn
if $keep; then echo "kept: buildah --root $store --storage-driver $STORAGE_DRIVER images"; fi
echo "test_images: passed in $((SECONDS - began)) s"
