# shellcheck shell=bash
# This file is sourced after cluster.sh: what pods do, what is wrong with them and what to do.

dry_run=${dry_run:-false}
poll_s=${DEPLOY_POLL_S:-5}
# A fault may pass by itself within this time: a scheduler tries again, a registry recovers.
grace_s=${DEPLOY_GRACE_S:-45}
# The words for a pod that runs without being ready.
running_words="loading models"

# NAME|PHASE|READY|INIT CONTAINER RUNNING SINCE|REASONS FOR WAITING|SCHEDULER'S WORDS|KUBELET'S WORDS
pod_fields='{range .items[*]}{.metadata.name}{"|"}{.status.phase}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"|"}{.status.initContainerStatuses[*].state.running.startedAt}{"|"}{.status.initContainerStatuses[*].state.waiting.reason}{" "}{.status.containerStatuses[*].state.waiting.reason}{"|"}{.status.conditions[?(@.type=="PodScheduled")].message}{"|"}{.status.initContainerStatuses[*].state.waiting.message}{" "}{.status.containerStatuses[*].state.waiting.message}{"\n"}{end}'

# The newest pod comes last.
pods() { kube get pods -l "$1" --sort-by=.metadata.creationTimestamp -o "jsonpath=$pod_fields" 2>/dev/null || true; }

# Prints the selector that a Deployment itself uses, as a,b.
# shellcheck disable=SC2016  # the variables are the template's
selector_of() {
  kube get deployment "$1" -o 'go-template={{range $k, $v := .spec.selector.matchLabels}}{{$k}}={{$v}},{{end}}' | sed 's/,$//'
}

# An upgrade could not change the selector of the first version's pods, and would fail half-way:
# DEPLOYMENT LABEL-IT-HAD RELEASE.
# shellcheck disable=SC2154  # the script's own namespace
need_no_first_version() {
  if $dry_run; then return 0; fi
  case ",$(selector_of "$1" 2>/dev/null)," in
    *",$2,"*) fail "$1 is of the first version, whose pods no upgrade takes over: helm uninstall $3 -n $namespace, then run this again (docs/guides/coming-from-version-1.md)" ;;
  esac
}

# Prints the last line that a pod wrote: POD [logs' options].
last_words() {
  local pod=$1
  shift
  kube logs "$pod" --tail=1 "$@" 2>/dev/null | hide_keys | tr -d '\r' | cut -c 1-100 | tail -n 1 || true
}

warnings() {
  kube get events --field-selector "type=Warning$1" --sort-by=.lastTimestamp -o \
    'jsonpath={range .items[*]}{.reason}{" "}{.message}{"\n"}{end}' 2>/dev/null | tail -n 5 || true
}

# Looks at a Deployment and its pods: NAME SELECTOR. Sets `state` to ready, busy or stuck, and `said` to
# one line on it.
look() {
  local lines line
  state=ready said=""
  case "$(kube rollout status "deployment/$1" --watch=false 2>/dev/null)" in
    *"successfully rolled out"*) return ;;
  esac
  state=busy said="waiting for its pod"
  lines=$(pods "$2")
  if [ -z "$lines" ]; then
    look_for_refusal "$1"
    return
  fi
  while IFS= read -r line; do
    look_at_pod "$line"
    [ "$state" != stuck ] || return 0
  done <<EOF
$lines
EOF
}

# Says why there is no pod at all.
look_for_refusal() {
  local refused cache
  cache=$(kube get nimcaches.apps.nvidia.com "$1" -o 'jsonpath={.status.state}' 2>/dev/null || true)
  [ -z "$cache" ] || said="the NIM Operator fetches the model first; its cache is $cache"
  refused=$(warnings ",reason=FailedCreate" | tail -n 1)
  [ -n "$refused" ] || return 0
  state=stuck
  case "$refused" in
    *"violates PodSecurity"*) said="the namespace's pod security refuses it: ${refused#*violates }" ;;
    *"exceeded quota"*) said="the namespace's quota refuses it: ${refused#*exceeded quota}" ;;
    *) said="its pod cannot be made: $refused" ;;
  esac
}

look_at_pod() {
  local pod phase ready building waiting scheduler kubelet
  IFS='|' read -r pod phase ready building waiting scheduler kubelet <<EOF
$1
EOF
  if [ "$ready" = True ]; then
    said="the rest of it starts"
    return
  fi
  state=stuck
  if [ "$phase" = Pending ] && [ -n "$scheduler" ]; then
    said=$(why_unscheduled "$pod" "$scheduler")
  elif [ -n "${waiting// /}" ] && why_waiting "$pod" "$waiting" "$kubelet" >/dev/null; then
    said=$(why_waiting "$pod" "$waiting" "$kubelet")
  elif [ "$phase" = Failed ]; then
    said="$pod failed; its last words: $(last_words "$pod" --all-containers)"
  else
    look_at_starting "$pod" "$building"
  fi
}

why_unscheduled() {
  case "$2" in
    *"Insufficient nvidia.com/"*) echo "no GPU is free for $1: free one, or add a node (kubectl describe nodes | grep -A8 Allocated), or share one of 80 GB (docs/guides/riva-and-nim.md, one GPU); the scheduler: $2" ;;
    *ersistent[vV]olume* | *"persistent volumes"* | *"volume node affinity"* | *"unbound"*) echo "a volume claim is not bound for $1: $(unbound_claims); check NODE and sizes in k8s/infra/settings/cluster.env; the scheduler: $2" ;;
    *"node affinity"* | *"node selector"*) echo "no node fits $1: check NODE in k8s/infra/settings/cluster.env and nodeSelector; the scheduler: $2" ;;
    *"Insufficient cpu"* | *"Insufficient memory"*) echo "no node has room for $1: lower resources.requests, free some, or add a node (kubectl describe nodes | grep -A8 Allocated); the scheduler: $2" ;;
    *) echo "$1 has no node: $2" ;;
  esac
}

# Prints CLAIM|PHASE|CLASS, one line for each claim.
claims() {
  kube get pvc -o 'jsonpath={range .items[*]}{.metadata.name}{"|"}{.status.phase}{"|"}{.spec.storageClassName}{"\n"}{end}' 2>/dev/null || true
}

unbound_claims() {
  claims | awk -F'|' '$2 != "Bound" { printf "%s%s (%s)", sep, $1, $3; sep = ", " }'
}

# The status is 1 where the reason is no fault.
why_waiting() {
  local kubelet
  kubelet=$(echo "$3" | hide_keys | sed 's/^ *//' | cut -c 1-300)
  case "$2" in
    *ImagePullBackOff* | *ErrImagePull*) why_no_image "$1" "$kubelet" ;;
    *InvalidImageName*) echo "an image of $1 has no valid name: $kubelet" ;;
    *CreateContainerConfigError*) echo "$1 lacks a secret or a setting: $kubelet (scripts/deploy_riva.sh makes the secrets)" ;;
    *CrashLoopBackOff*) why_failing "$1" "$kubelet" ;;
    *RunContainerError* | *CreateContainerError*) echo "$1 keeps failing; its last words: $(last_words "$1" --all-containers --previous) $kubelet" ;;
    *) return 1 ;;
  esac
}

# Says what a pod died of, and what is done about what is known.
why_failing() {
  local words hint=""
  words=$(last_words "$1" --all-containers --previous)
  case "$words" in
    *"oo many open files"*) hint=" (speechNim.openFiles raises its limit)" ;;
    *"ut of memory"* | *OutOfMemory*) hint=" (where GPUs are shared: scripts/deploy_infra.sh --one-gpu)" ;;
  esac
  echo "$1 keeps failing; its last words: $words$hint $2"
}

why_no_image() {
  case "$2" in
    *nvcr.io*401* | *nvcr.io*403* | *nvcr.io*nauthorized* | *nvcr.io*enied* | *nvcr.io*orbidden*) echo "the registry refuses the image of $1: is the key right, may it use this image, were its terms accepted? Run scripts/deploy_riva.sh again with another NGC_API_KEY; the kubelet: $2" ;;
    *401* | *403* | *nauthorized* | *enied* | *orbidden*) echo "the registry refuses the image of $1: check its name and imagePullSecrets; the kubelet: $2" ;;
    *429* | *oomanyrequests* | *"oo many requests"*) echo "the registry lets nobody pull the image of $1 for a while: wait, log in with imagePullSecrets, or use a mirror; the kubelet: $2" ;;
    *"not found"* | *"manifest unknown"*) echo "there is no such image for $1: check its name and tag; the kubelet: $2" ;;
    *) echo "the image of $1 cannot be pulled: $2" ;;
  esac
}

# Says what a pod waits for that runs, or starts, without being ready.
look_at_starting() {
  local pod=$1 building=$2 warned down
  state=busy
  warned=$(warnings ",involvedObject.name=$pod" | grep -E 'FailedMount|FailedCreatePodSandBox|FailedAttach' | tail -n 1 || true)
  if [ -n "$building" ]; then
    said="fetching and building models (20 to 40 min the first time): $(last_words "$pod" -c riva-model-init)"
  elif [ -n "$warned" ]; then
    state=stuck
    said="$pod cannot start: $(why_not_mounted "$warned")"
  else
    down=$(upstreams_down "$pod")
    said=${down:-"$running_words: $(last_words "$pod")"}
  fi
}

# Names the upstreams that a gateway cannot reach, by its own log: POD.
upstreams_down() {
  kube logs "$1" --tail=500 2>/dev/null | hide_keys | tr -d '\r' |
    sed -nE 's/.*upstream ([a-z]+) is (up|down)[^:]*: (.*)/\1|\2|\3/p' |
    awk -F'|' '{ last[$1] = $0 } END { for (name in last) print last[name] }' | sort |
    awk -F'|' '$2 == "down" { printf "%s%s does not answer (%s)", sep, $1, $3; sep = ", " }
               END { if (sep) print "; check settings.RIVA_URI and settings.LLM_BASE_URL, then scripts/status.sh" }' || true
}

why_not_mounted() {
  case "$1" in
    *"does not exist"* | *"no such file"*) echo "a folder of its volume is missing on the node: scripts/deploy_infra.sh --make-paths makes it; the kubelet: $1" ;;
    *) echo "$1" ;;
  esac
}

# Shows one line that is rewritten on a terminal; elsewhere, a line at each change.
progress() {
  if [ -t 1 ]; then
    printf '\r\033[K   ... %s' "$(echo "$1" | cut -c 1-100)"
  elif [ "$1" != "${shown:-}" ]; then
    echo "   ... $1"
  fi
  shown=$1
}

end_progress() { [ ! -t 1 ] || printf '\r\033[K'; }

# Succeeds where it is stuck for too long; `stuck_since` remembers since when.
lost() {
  if [ "$state" != stuck ]; then
    stuck_since=""
    return 1
  fi
  stuck_since=${stuck_since:-$SECONDS}
  [ $((SECONDS - stuck_since)) -ge "$grace_s" ]
}

# Waits until a Deployment is rolled out: WHAT NAME SELECTOR SECONDS.
wait_for_pods() {
  local what=$1 name=$2 selector=$3 limit=$4 started=$SECONDS stuck_since="" shown=""
  while :; do
    look "$name" "$selector"
    if [ "$state" = ready ]; then
      end_progress
      ok "$what is ready after $(minutes $((SECONDS - started)))"
      return
    fi
    if lost; then
      end_progress
      fail "$what: $said"
    fi
    if [ $((SECONDS - started)) -ge "$limit" ]; then
      end_progress
      fail "$what is not ready after $(minutes "$limit"), and goes on by itself: $said (scripts/status.sh shows how far it is)"
    fi
    progress "$(minutes $((SECONDS - started))): $said"
    sleep "$poll_s"
  done
}

# Looks at the newest of the pods that no Deployment owns: SELECTOR. Sets `state` and `said`.
look_at_pods() {
  local line
  line=$(pods "$1" | tail -n 1)
  state=busy said="waiting for its pod"
  [ -z "$line" ] || look_at_pod "$line"
}

# Waits until a Job is done: NAME SECONDS. Status 1, with the reason in `said`, where it will not be.
wait_for_job() {
  local name=$1 limit=$2 started=$SECONDS stuck_since="" shown="" job failed
  local running_words="at work"
  while :; do
    job=$(kube get job "$name" -o 'jsonpath={.status.succeeded}|{.status.conditions[?(@.type=="Failed")].message}' 2>/dev/null || true)
    case "$job" in [1-9]*) end_progress; return ;; esac
    look_at_pods "job-name=$name"
    failed=${job#*|}
    if [ -n "$failed" ] && [ "$state" != stuck ]; then said=$failed; fi
    if [ -n "$failed" ] || lost || [ $((SECONDS - started)) -ge "$limit" ]; then
      end_progress
      return 1
    fi
    progress "$(minutes $((SECONDS - started))): $said"
    sleep "$poll_s"
  done
}

# Runs a release's test, says meanwhile what its pod waits for, and ends it where that pod will never
# run: RELEASE. Status 1 where the test fails, with the pod's exit code, if it has one, in `code`.
run_helm_test() {
  local release=$1 started=$SECONDS stuck_since="" shown="" status=0 out helm_test
  local running_words="under way" selector=app.kubernetes.io/instance=$1,app.kubernetes.io/component=test
  local command=(helm test "$release" --namespace "$namespace" --logs --timeout 5m)
  if $dry_run; then
    change "${command[@]}"
    return
  fi
  out=$(mktemp "${TMPDIR:-/tmp}/voice-test.XXXXXX")
  "${command[@]}" >"$out" 2>&1 &
  helm_test=$!
  # shellcheck disable=SC2064  # this run's program and file, expanded now
  trap "kill $helm_test 2>/dev/null; rm -f '$out'" EXIT
  while kill -0 "$helm_test" 2>/dev/null; do
    look_at_pods "$selector"
    if lost; then
      end_progress
      fail "the test cannot run: $said"
    fi
    progress "$(minutes $((SECONDS - started))): $said"
    sleep "$poll_s"
  done
  end_progress
  wait "$helm_test" || status=1
  trap - EXIT
  hide_keys <"$out" | sed 's/^/   /'
  rm -f "$out"
  # shellcheck disable=SC2034  # the caller reads it
  code=$(exit_code_of "$selector")
  return "$status"
}

# Prints the exit code of the newest pod's container: SELECTOR.
exit_code_of() {
  kube get pods -l "$1" --sort-by=.metadata.creationTimestamp -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].state.terminated.exitCode}{"\n"}{end}' 2>/dev/null |
    tail -n 1 || true
}
