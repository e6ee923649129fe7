#!/usr/bin/env bash
# Renders every Mermaid diagram of the Markdown files given; without any, of all that git knows.
set -euo pipefail

case "${1:-}" in
  -h | --help) echo "usage: scripts/check_mermaid.sh [FILE.md ...]   (needs Node 20 or newer)"; exit 0 ;;
  -*) echo "check_mermaid: unknown option $1 (see --help)" >&2; exit 2 ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
command -v npm >/dev/null 2>&1 || { echo "check_mermaid: npm is missing: install Node 20 or newer" >&2; exit 1; }

# Packages are installed once for each state of their lock; the folder appears whole or not at all.
lock=$(cksum <"$top/scripts/mermaid/package-lock.json" | cut -d ' ' -f 1)
home=$top/.cache/mermaid-$lock
if [ ! -d "$home" ]; then
  mkdir -p "$top/.cache"
  work=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cp "$top"/scripts/mermaid/package*.json "$work"
  (cd "$work" && npm ci --silent --no-audit --no-fund --ignore-scripts >&2) || {
    echo "check_mermaid: npm could not install Mermaid" >&2
    exit 1
  }
  mv "$work" "$home" 2>/dev/null || true # another run may have been first
fi
# Node looks for packages from the module's own folder.
cp "$top/scripts/mermaid/check.mjs" "$home/check.mjs"
if [ $# -eq 0 ]; then
  cd "$top"
  while IFS= read -r file; do set -- "$@" "$file"; done < <(git ls-files '*.md')
fi
exec node "$home/check.mjs" "$@"
