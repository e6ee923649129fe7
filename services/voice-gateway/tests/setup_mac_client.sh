#!/usr/bin/env bash
# Everything from an empty folder to a conversation: the quick start of test_mic_client.py.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: setup_mac_client.sh USER@HOST [--folder DIR] [--port PORT] [--dry-run] [-- OPTION...]

Makes a folder with the client, opens the tunnel to the gateway and starts talking.
  USER@HOST     the machine on which this runs:
                kubectl -n voice-workflow port-forward svc/voice-gateway-gateway 50051:50051
  --folder DIR  where the client goes (default ./voice-client); what stands there is kept in step
  --port PORT   the gateway's port, there and here (default 50051)
  --dry-run     show the commands, run none of them
  -- OPTION...  options for the client, such as --half-duplex or --list-devices
Ctrl-C ends the conversation and closes the tunnel. Running it again is safe.
TEXT
}

fail() {
  echo "setup_mac_client: $*" >&2
  exit 2
}

host=""
folder=voice-client
port=50051
dry_run=false
client_options=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --folder) [ $# -ge 2 ] || fail "--folder needs a folder"; folder=$2; shift ;;
    --port) [ $# -ge 2 ] || fail "--port needs a number"; port=$2; shift ;;
    --dry-run) dry_run=true ;;
    --) shift; client_options=("$@"); break ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *) [ -z "$host" ] || fail "one USER@HOST, not also $1"; host=$1 ;;
  esac
  shift
done
[ -n "$host" ] || { usage >&2; exit 2; }
case "$port" in
  *[!0-9]* | "") fail "--port $port: not a number" ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
proto=$(cd "$here/../../.." && pwd)/proto/voice_workflow.proto
tunnel_pid=""

# Run a command, or show it.
run() {
  if $dry_run; then
    printf '+ %s\n' "$*"
  else
    "$@"
  fi
}

close_tunnel() {
  if [ -n "$tunnel_pid" ]; then
    kill "$tunnel_pid" 2>/dev/null || true
    wait "$tunnel_pid" 2>/dev/null || true
  fi
}
trap close_tunnel EXIT

check_tools() {
  local brew=false
  command -v brew >/dev/null && brew=true
  if ! command -v uv >/dev/null; then
    $brew || fail "uv is missing; Homebrew installs it (brew install uv), or its own installer"
    run brew install uv
  fi
  if $brew; then
    brew list portaudio >/dev/null 2>&1 || run brew install portaudio
  elif [ "$(uname)" = Darwin ]; then
    fail "PortAudio is missing, and so is Homebrew, which installs it: brew install portaudio"
  elif ! [ -e /usr/include/portaudio.h ]; then
    fail "PortAudio is missing: sudo apt-get install portaudio19-dev python3-dev gcc"
  fi
}

# PyAudio is built on the spot and finds Homebrew's PortAudio only where it is told to look.
add_packages() {
  if command -v brew >/dev/null; then
    run env "CFLAGS=-I$(brew --prefix)/include" "LDFLAGS=-L$(brew --prefix)/lib" \
      uv add grpcio grpcio-tools pyaudio
  else
    run uv add grpcio grpcio-tools pyaudio
  fi
}

make_client() {
  local is_new=true
  [ -e "$folder/pyproject.toml" ] && is_new=false
  run mkdir -p "$folder"
  run cp "$proto" "$here/test_mic_client.py" "$folder/"
  run cd "$folder"
  ! $is_new || run uv init --app --no-workspace --name voice-client .
  add_packages
  run uv run python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. voice_workflow.proto
}

port_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

open_tunnel() {
  if ! $dry_run && port_answers; then
    echo "setup_mac_client: something answers at localhost:$port already; taking it for the tunnel"
    return
  fi
  local tunnel=(ssh -N -o ExitOnForwardFailure=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=3
    -L "$port:localhost:$port" "$host")
  if $dry_run; then
    run "${tunnel[@]}" '&'
    return
  fi
  "${tunnel[@]}" &
  tunnel_pid=$!
  # ssh may ask for a password first: as long as it lives, the tunnel is still to come.
  until port_answers; do
    kill -0 "$tunnel_pid" 2>/dev/null || fail "ssh could not open the tunnel to $host"
    sleep 0.2
  done
}

check_tools
make_client
open_tunnel
run uv run test_mic_client.py --server "localhost:$port" ${client_options[@]+"${client_options[@]}"}
