#!/usr/bin/env bash
# Builds the gateway's image from this tree, tagged by the commit, and lists what is in it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/build_gateway.sh [options]

Builds services/voice-gateway/Dockerfile with docker, podman or buildah, and writes what is in the image
(CycloneDX) to out/images/. The tag is what `git describe` says: the version, or the commit, with
-dirty where files differ from it.

  --local-stack      build the local stack's image (voice-local-stack) instead
  --registry NAME    in front of the image's name, such as registry.example.org/voice
  --tag TAG          another tag
  --engine NAME      docker, podman or buildah; the first that is there
  --build-arg A=B    for the Dockerfile; may be repeated
  --ca FILE          trust these authorities while building, behind a proxy that has its own (podman,
                     buildah)
  --push             push it; log in to the registry first (docker login)
  --no-sbom          without the list
  --dry-run          say what would be done
  -h, --help
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh

name=voice-gateway
folder=services/voice-gateway
registry=""
tag=""
engine=""
arguments=()
ca=""
push=false
sbom=true
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --local-stack) name=voice-local-stack folder=services/local-stack ;;
    --registry) registry=$(value_of "$@"); shift ;;
    --tag) tag=$(value_of "$@"); shift ;;
    --engine) engine=$(value_of "$@"); shift ;;
    --build-arg) arguments+=(--build-arg "$(value_of "$@")"); shift ;;
    --ca) ca=$(value_of "$@"); shift ;;
    --push) push=true ;;
    --no-sbom) sbom=false ;;
    --dry-run) dry_run=true ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done

choose_engine() {
  case "$engine" in
    docker | podman | buildah) need "$engine" "install it, or leave --engine out"; return ;;
    "") ;;
    *) misused "--engine $engine: must be docker, podman or buildah" ;;
  esac
  for engine in docker podman buildah; do
    works "$engine" && return
  done
  if $dry_run; then engine=docker; return; fi
  fail "no docker, podman or buildah that works: install one (Docker must be running)"
}

# A docker whose daemon is down does not count.
works() {
  command -v "$1" >/dev/null 2>&1 || return 1
  [ "$1" != docker ] || docker version >/dev/null 2>&1
}

git_tag() {
  git rev-parse --git-dir >/dev/null 2>&1 || fail "this is no git checkout: give --tag"
  git describe --tags --always --dirty --match 'v[0-9]*'
}

# The image gets the commit's time, so that the same commit gives the same image.
commit_time() { git log -1 --format=%ct 2>/dev/null || echo 0; }

build() {
  step "building $image with $engine"
  local revision
  revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
  SOURCE_DATE_EPOCH=$(commit_time)
  export SOURCE_DATE_EPOCH
  local command=("$engine" build)
  if [ "$engine" = buildah ]; then command=(buildah bud --format docker --timestamp "$SOURCE_DATE_EPOCH"); fi
  change "${command[@]}" --file "$folder/Dockerfile" --tag "$image" \
    --build-arg "VERSION=$tag" --build-arg "REVISION=$revision" ${arguments[@]+"${arguments[@]}"} . ||
    fail "$image was not built (see above)"
}

save() {
  case "$engine" in
    docker) change docker save --output "$1" "$image" ;;
    podman) change podman save --format docker-archive --output "$1" "$image" ;;
    buildah) change buildah push "$image" "docker-archive:$1" ;;
  esac
}

list_contents() {
  local list archive
  list=out/images/$name-$tag.cdx.json
  step "what is in it: $list"
  if $dry_run; then
    note "would write $list"
    return
  fi
  mkdir -p out/images
  archive=$(mktemp -d out/images/.sbom.XXXXXX)
  # shellcheck disable=SC2064  # this run's folder, expanded now
  trap "rm -rf '$archive'" EXIT
  save "$archive/image.tar" || fail "the image could not be written to a file (see above)"
  python3 scripts/image_sbom.py "$archive/image.tar" --name "$name" --version "$tag" >"$archive/list" ||
    fail "the image's contents could not be listed"
  mv "$archive/list" "$list"
  ok "$(grep -c '"purl"' "$list") packages, image of $(du -m "$archive/image.tar" | cut -f 1) MB unpacked"
}

push_image() {
  step "pushing $image"
  change "$engine" push "$image" ||
    fail "$image was refused: $engine login ${registry%%/*} first, and check that you may write there"
}

choose_engine
if [ -n "$ca" ]; then
  [ -r "$ca" ] || fail "--ca $ca: cannot be read"
  [ "$engine" != docker ] || misused "--ca: docker cannot; use --engine podman or buildah"
  arguments+=(--volume "$(cd "$(dirname "$ca")" && pwd)/$(basename "$ca"):/etc/ssl/certs/ca-certificates.crt:ro")
fi
tag=${tag:-$(git_tag)}
echo "$tag" | grep -Eq '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$' || misused "--tag $tag: is no tag for an image"
image=${registry:+${registry%/}/}$name:$tag
if [ ! -f "$folder/Dockerfile" ]; then fail "$folder/Dockerfile is missing"; fi
build
if $sbom; then list_contents; fi
if $push; then push_image; fi
if [ "$name" = voice-gateway ]; then
  echo "next: scripts/deploy_gateway.sh --image $image"
else
  echo "next: scripts/deploy_gateway.sh --overlay laptop-cluster, with localStack.image in a values file"
fi
