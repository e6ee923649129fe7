#!/usr/bin/env bash
# Builds the gateway's image from this tree, tagged by the commit, and lists what is in it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/build_gateway.sh [options]

Builds services/voice-gateway/Dockerfile with docker, podman or buildah, and writes what is in the image
(CycloneDX) to out/images/. The tag is what `git describe` says: the version, or the commit, with
-dirty where files differ from it. scripts/deploy_gateway.sh installs what was built last.

  --local-stack      build the local stack's image (voice-local-stack) instead
  --registry NAME    in front of the image's name, such as registry.example.org/voice; or REGISTRY=NAME
  --tag TAG          another tag
  --platform LIST    such as linux/amd64, on a Mac for a cluster of PCs; several, with commas, make one
                     image for all of them, and need --push
  --engine NAME      docker, podman or buildah; the first that is there
  --build-arg A=B    for the Dockerfile; may be repeated
  --ca FILE          trust these authorities while building, behind a proxy that has its own (podman,
                     buildah)
  --push             push it; log in to the registry first (docker login)
  --load             put it into the nodes: kind, k3d, minikube, or k3s, RKE2, MicroK8s or containerd on
                     this machine
  --no-sbom          without the list
  --dry-run          say what would be done
  -h, --help
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/say.sh
. scripts/lib/say.sh
# shellcheck source=scripts/lib/cluster.sh
. scripts/lib/cluster.sh
# shellcheck source=scripts/lib/images.sh
. scripts/lib/images.sh

name=voice-gateway
folder=services/voice-gateway
registry=""
tag=""
engine=""
arguments=()
ca=""
platform=""
push=false
load=false
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
    --platform) platform=$(value_of "$@"); shift ;;
    --push) push=true ;;
    --load) load=true ;;
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
  local named=(--tag "$image")
  if [ -n "$platform" ]; then named=(--platform "$platform" "${named[@]}"); fi
  if $several; then
    if [ "$engine" = docker ]; then command=(docker buildx build --push); else named=(--platform "$platform" --manifest "$image"); fi
  fi
  change "${command[@]}" --file "$folder/Dockerfile" "${named[@]}" \
    --build-arg "VERSION=$tag" --build-arg "REVISION=$revision" ${arguments[@]+"${arguments[@]}"} . ||
    fail "$image was not built (see above)"
}

# Writes the image to a file, under a name: FILE NAME.
save() {
  case "$engine" in
    docker) change docker save --output "$1" "$image" ;;
    podman)
      if [ "$2" != "$image" ]; then change podman tag "$image" "$2" || return; fi
      change podman save --format docker-archive --output "$1" "$2"
      ;;
    buildah) change buildah push "$image" "docker-archive:$1:$2" ;;
  esac
}

list_contents() {
  local list archive
  list=$images/$name-$tag.cdx.json
  step "what is in it: $list"
  if $dry_run; then
    note "would write $list"
    return
  fi
  mkdir -p "$images"
  archive=$(mktemp -d "$images/.sbom.XXXXXX")
  # shellcheck disable=SC2064  # this run's folder, expanded now
  trap "rm -rf '$archive'" EXIT
  save "$archive/image.tar" "$image" || fail "the image could not be written to a file (see above)"
  python3 scripts/image_sbom.py "$archive/image.tar" --name "$name" --version "$tag" >"$archive/list" ||
    fail "the image's contents could not be listed"
  mv "$archive/list" "$list"
  ok "$(grep -c '"purl"' "$list") packages, image of $(du -m "$archive/image.tar" | cut -f 1) MB unpacked"
}

# Prints the name that nodes look a short one up by.
whole_name() { case "$image" in */*) echo "$image" ;; *) echo "docker.io/library/$image" ;; esac; }

# Sets `loader` to the program that puts a file with images into the nodes.
choose_loader() {
  local context one
  context=$(kubectl config current-context 2>/dev/null || true)
  case "$context" in
    kind-*) loader=(kind load image-archive --name "${context#kind-}") ;;
    k3d-*) loader=(k3d image import --cluster "${context#k3d-}") ;;
    minikube*) loader=(minikube image load --profile "$context") ;;
    microk8s*) loader=(microk8s ctr image import) ;;
    *)
      loader=()
      for one in "k3s ctr" "/var/lib/rancher/rke2/bin/ctr --address /run/k3s/containerd/containerd.sock --namespace k8s.io" "ctr --namespace k8s.io"; do
        # shellcheck disable=SC2206  # a program and its options
        if command -v "${one%% *}" >/dev/null 2>&1; then loader=($one images import); break; fi
      done
      if $dry_run && [ "${#loader[@]}" = 0 ]; then loader=(ctr --namespace k8s.io images import); fi
      [ "${#loader[@]}" -gt 0 ] || fail "--load: neither kind, k3d, minikube nor MicroK8s is the context ($context), and this machine has no k3s, RKE2 or containerd: push to a registry instead (--registry NAME --push)"
      if [ "$(id -u)" != 0 ]; then loader=(sudo "${loader[@]}"); fi
      ;;
  esac
}

load_image() {
  local archive
  step "into the nodes, by ${loader[0]}"
  archive=$(mktemp -d "${TMPDIR:-/tmp}/voice-image.XXXXXX")
  # shellcheck disable=SC2064  # this run's folder, expanded now
  trap "rm -rf '$archive'" EXIT
  save "$archive/image.tar" "$(whole_name)" || fail "the image could not be written to a file (see above)"
  change "${loader[@]}" "$archive/image.tar" || fail "${loader[0]} did not take $image (see above)"
  ok "$image"
}

push_image() {
  step "pushing $image"
  local command=("$engine" push "$image")
  if $several; then
    [ "$engine" != docker ] || { ok "with its manifest, while it was built"; return; }
    command=("$engine" manifest push --all "$image" "docker://$image")
  fi
  change "${command[@]}" ||
    fail "$image was refused: $engine login ${registry%%/*} first, and check that you may write there"
}

choose_engine
if [ -n "$ca" ]; then
  [ -r "$ca" ] || fail "--ca $ca: cannot be read"
  [ "$engine" != docker ] || misused "--ca: docker cannot; use --engine podman or buildah"
  arguments+=(--volume "$(cd "$(dirname "$ca")" && pwd)/$(basename "$ca"):/etc/ssl/certs/ca-certificates.crt:ro")
fi
if [ -z "$registry" ] && [ -n "${REGISTRY:-}" ]; then
  registry=$REGISTRY
  note "registry: $registry, of REGISTRY; --registry says it here"
fi
tag=${tag:-$(git_tag)}
echo "$tag" | grep -Eq '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$' || misused "--tag $tag: is no tag for an image"
image=${registry:+${registry%/}/}$name:$tag
several=false
case "$platform" in
  "") platforms=linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/') ;;
  *[!a-z0-9/,]*) misused "--platform $platform: must be such as linux/amd64, or several with commas" ;;
  *,*) several=true platforms=$platform ;;
  */*) platforms=$platform ;;
  *) misused "--platform $platform: must be such as linux/amd64, or several with commas" ;;
esac
if $several && ! $push; then misused "--platform $platform: an image for several needs a registry: --registry NAME --push"; fi
if $several && $load; then misused "--load takes an image for one platform: give one, or push"; fi
if $push && [ -z "$registry" ]; then misused "--push needs --registry NAME: $name:$tag leads to no registry of yours"; fi
if [ ! -f "$folder/Dockerfile" ]; then fail "$folder/Dockerfile is missing"; fi
loader=()
if $load; then choose_loader; fi
build
where=here
remember_image "$name" "$image" "$where" "$platforms"
if $sbom && $several; then note "no list: it is made of an image for one platform"; fi
if $sbom && ! $several; then list_contents; fi
if $push; then push_image; where=registry; fi
if $load; then load_image; where=nodes; fi
remember_image "$name" "$image" "$where" "$platforms"
if [ "$name" = voice-gateway ]; then
  echo "next: scripts/deploy_gateway.sh, which installs $image"
else
  echo "next: scripts/deploy_gateway.sh --overlay laptop-cluster, which installs $image"
fi
