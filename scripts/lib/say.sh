# shellcheck shell=bash
# The deployment scripts source this file: how they print, fail, and change nothing with --dry-run.
# Bash 3.2 is enough, as on a Mac. Tracing (bash -x) is turned off: keys pass through these scripts.
{ set +x; } 2>/dev/null
# The shell keeps the keys it was given; no program that it starts inherits them.
export -n NGC_API_KEY MODEL_DEPLOY_KEY LLM_API_KEY RIVA_API_KEY

program=$(basename "$0" .sh)
dry_run=false

fail() {
  echo "$program: $*" >&2
  exit 1
}

misused() {
  echo "$program: $* (see --help)" >&2
  exit 2
}

step() { echo "== $*"; }
ok() { echo "   ok  $*"; }
note() { echo "   $*"; }

# Prints the value of an option that needs one.
value_of() {
  if [ $# -lt 2 ] || [ -z "$2" ]; then misused "$1 needs a value"; fi
  printf '%s' "$2"
}

# Prints the value of an option that needs seconds.
seconds_of() {
  local given
  given=$(value_of "$@") || exit
  case "$given" in *[!0-9]*) misused "$1 $given: must be seconds" ;; esac
  printf '%s' "$given"
}

# Passes a foreign program's output on, without any key in it.
hide_keys() {
  sed -E 's/nvapi-[A-Za-z0-9_-]+/nvapi-***/g; s/("(password|auth|apikey)": *")[^"]*/\1***/g; s/([Bb]earer )[A-Za-z0-9._-]+/\1***/g'
}

need() {
  command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: $2"
}

# Runs what changes the cluster, or only prints it; standard input goes to it.
change() {
  if $dry_run; then
    echo "   would run: $*"
    return
  fi
  "$@" 2>&1 | hide_keys | sed 's/^/   /'
  return "${PIPESTATUS[0]}"
}

# Prints how long something took, in words.
minutes() {
  if [ "$1" -lt 120 ]; then echo "$1 s"; else echo "$(($1 / 60)) min"; fi
}
