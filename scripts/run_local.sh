#!/usr/bin/env bash
# Starts the gateway with real models on this machine's CPU, from a fresh checkout to a spoken answer.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/run_local.sh [--once] [--llm NAME|URL] [--asr NAME] [--help]

Starts a speech server and a chat model on this machine and the gateway in front of them, speaks a
recorded question through the real stream, shows transcript, reply and latency, writes the spoken
reply to out/reply.wav, and keeps serving until Ctrl-C. Needs Python 3.11 or newer, or a `uv` that
fetches it; no GPU, no Docker, no account. The first run fetches packages and models (about 1 GB).

  --once      end after the question, with its status (see `voice --help`)
  --llm ...   smollm2, qwen-0.5b (default), qwen-1.5b, or the http://... of an OpenAI-style server
  --asr ...   moonshine-tiny (default) or moonshine-base

Environment: GRPC_PORT (50051), HTTP_PORT (8080), RIVA_PORT (50052), LLM_PORT (8000) choose other
ports; with --llm URL also LLM_MODEL and LLM_API_KEY; every other setting of the gateway is handed
on to it.
Logs: out/voice-local.log, out/voice-gateway.log.
TEXT
}

fail() {
  echo "run_local: $*" >&2
  exit 1
}

once=false
llm=""
local_options=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --once) once=true ;;
    --llm | --asr)
      [ $# -ge 2 ] || { echo "run_local: $1 needs a value (see --help)" >&2; exit 2; }
      [ "$1" != --llm ] || llm=$2
      [ "$2" != none ] || { echo "run_local: $1 none: the question needs one (see --help)" >&2; exit 2; }
      local_options+=("$1" "$2")
      shift
      ;;
    *) echo "run_local: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
  shift
done

cd "$(dirname "$0")/.."
# shellcheck source=scripts/ensure_uv.sh
. scripts/ensure_uv.sh
grpc_port=${GRPC_PORT:-50051}
http_port=${HTTP_PORT:-8080}
riva_port=${RIVA_PORT:-50052}
llm_port=${LLM_PORT:-8000}
local_log=out/voice-local.log
gateway_log=out/voice-gateway.log
# The environment is separate: a developer's .venv stays as it is.
export UV_PROJECT_ENVIRONMENT=$PWD/.cache/run-venv
bin=$UV_PROJECT_ENVIRONMENT/bin
local_pid=""
gateway_pid=""

# --- everything started is stopped, on every way out ---

# Ends a child: SIGTERM first, SIGKILL after ten seconds.
stop() {
  local pid=$1 tries=0
  [ -n "$pid" ] || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

stop_all() {
  trap - EXIT INT TERM HUP
  stop "$gateway_pid"
  stop "$local_pid"
}

trap stop_all EXIT
trap 'echo; echo "run_local: stopping"; stop_all; exit 130' INT
trap 'stop_all; exit 143' TERM HUP

# --- the packages ---

sync_packages() {
  echo "syncing packages into .cache/run-venv"
  # A lock's markers and hashes decide what is installed; nothing is resolved anew.
  uv sync --frozen --no-dev --quiet || fail "uv could not install the packages"
}

# --- the servers ---

# The ports must be free before minutes go into fetching models.
check_port() {
  local name=$1 port=$2 meaning=$3
  case "$port" in
    *[!0-9]* | "") fail "$name=$port: not a port number" ;;
  esac
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "port $port ($meaning) is taken; choose another, such as $name=$((port + 100)) scripts/run_local.sh"
  fi
}

# Shows the last lines of a server that failed, then one clear line.
fail_with_log() {
  local log=$1
  shift
  tail -n 12 "$log" >&2 || true
  fail "$* (log: $log)"
}

# Shows what a server is busy with: one line that is rewritten, or now and then a plain one.
show_progress() {
  local last
  last=$(tail -n 1 "$1" | cut -c 1-76)
  if [ -t 1 ]; then
    printf '\r\033[K  %s' "$last"
  elif [ "$last" != "$shown" ] && [ $((SECONDS - shown_at)) -ge 5 ]; then
    shown=$last
    shown_at=$SECONDS
    echo "  $last"
  fi
}

# Waits for a server's ready line, for as long as it lives.
wait_ready() {
  local pid=$1 out=$2 log=$3 name=$4 shown="" shown_at=$SECONDS
  until grep -q '^ready: ' "$out"; do
    kill -0 "$pid" 2>/dev/null || fail_with_log "$log" "$name did not start"
    show_progress "$log"
    sleep 0.2
  done
  [ ! -t 1 ] || printf '\r\033[K'
}

# Prints one field of a ready line, such as grpc=127.0.0.1:50051.
ready_field() {
  tr ' ' '\n' <"$1" | sed -n "s/^$2=//p" | head -n 1
}

start_local() {
  echo "starting the speech server and the chat model"
  # The child may not have opened them yet.
  : >out/voice-local.out
  : >"$local_log"
  "$bin/voice-local" --riva-port "$riva_port" --llm-port "$llm_port" \
    ${local_options[@]+"${local_options[@]}"} >out/voice-local.out 2>"$local_log" &
  local_pid=$!
  wait_ready "$local_pid" out/voice-local.out "$local_log" "the local speech server"
  riva_uri=$(ready_field out/voice-local.out riva)
  llm_url=$(ready_field out/voice-local.out llm)
}

start_gateway() {
  echo "starting the gateway"
  : >out/voice-gateway.out
  : >"$gateway_log"
  local model=meta/llama-3.1-8b-instruct
  case "$llm" in http*) ;; *) model=${llm:-qwen-0.5b} ;; esac
  # A small model on a CPU answers better and sooner when asked for little, but may think for long.
  SYSTEM_PROMPT=${SYSTEM_PROMPT:-You are a voice assistant. Answer in one short, plain sentence, in words that can be spoken.} \
    LLM_FIRST_TOKEN_TIMEOUT_S=${LLM_FIRST_TOKEN_TIMEOUT_S:-60} \
    LLM_TOKEN_TIMEOUT_S=${LLM_TOKEN_TIMEOUT_S:-30} DRAIN_S=${DRAIN_S:-2} \
    LLM_MODEL=${LLM_MODEL:-$model} GRPC_HOST=${GRPC_HOST:-127.0.0.1} GRPC_PORT=$grpc_port \
    HTTP_HOST=${HTTP_HOST:-127.0.0.1} HTTP_PORT=$http_port RIVA_URI=$riva_uri LLM_BASE_URL=$llm_url \
    "$bin/voice-gateway" >out/voice-gateway.out 2>"$gateway_log" &
  gateway_pid=$!
  wait_ready "$gateway_pid" out/voice-gateway.out "$gateway_log" "the gateway"
  grpc_address=$(ready_field out/voice-gateway.out grpc)
  grpc_address=127.0.0.1:${grpc_address##*:}
  page=$(ready_field out/voice-gateway.out http)
}

# --- the question, and after it ---

ask() {
  local status=0
  echo
  "$bin/voice" wav @en_nlp_question --out out/reply.wav --server "$grpc_address" || status=$?
  echo
  [ "$status" -eq 0 ] || fail_question "$status"
}

fail_question() {
  tail -n 12 "$gateway_log" >&2 || true
  echo "run_local: the question was not answered (status $1; logs: $gateway_log, $local_log)" >&2
  exit "$1"
}

say_what_next() {
  cat <<TEXT
serving on $grpc_address; Ctrl-C stops everything. With your microphone, in a browser:
  $page
In another terminal, in this folder:
  .cache/run-venv/bin/voice text "Tell me a joke." --server $grpc_address
  .cache/run-venv/bin/voice wav @en_weather_synth --server $grpc_address
With your microphone, without a browser (needs PortAudio; macOS: brew install portaudio; Debian, Ubuntu:
sudo apt-get install portaudio19-dev python3-dev gcc):
  ${uv#"$PWD/"} run --frozen --extra mic voice mic --server $grpc_address
TEXT
}

serve() {
  while sleep 1; do
    kill -0 "$gateway_pid" 2>/dev/null || fail_with_log "$gateway_log" "the gateway has stopped"
    kill -0 "$local_pid" 2>/dev/null || fail_with_log "$local_log" "the local speech server has stopped"
  done
}

mkdir -p out .cache
check_port GRPC_PORT "$grpc_port" "the gateway"
check_port HTTP_PORT "$http_port" "the gateway's web page"
check_port RIVA_PORT "$riva_port" "the speech server"
case "$llm" in
  http*) ;;
  *) check_port LLM_PORT "$llm_port" "the chat model" ;;
esac
ensure_uv || fail "could not get uv"
uv=$(command -v uv)
sync_packages
start_local
start_gateway
ask
$once && exit 0
say_what_next
serve
