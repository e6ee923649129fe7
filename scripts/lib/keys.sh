# shellcheck shell=bash
# This file is sourced after cluster.sh: it makes Secrets of keys in the environment, a file or the
# terminal. A key is never an argument of a program, never printed, and no child inherits it.

registry=${NGC_REGISTRY:-nvcr.io}
ngc_key=""
namespace=${namespace:-voice-workflow}
dry_run=${dry_run:-false}

# Sets `taken` to the key in a variable of the environment, or in the file that VARIABLE_FILE names, or
# to nothing: VARIABLE [KEY GIVEN OTHERWISE].
take_key() {
  local name=$1 file_name="$1_FILE" key file
  key=${2:-${!name:-}}
  file=${!file_name:-}
  if [ -z "$key" ] && [ -n "$file" ]; then
    [ -r "$file" ] || fail "$file_name=$file: cannot be read"
    key=$(tr -d ' \r\n' <"$file")
  fi
  case "$key" in
    *[!A-Za-z0-9._:/+=-]*) fail "$name: holds characters that no key has (a quote, a space, a line end?)" ;;
  esac
  taken=$key
}

take_ngc_key() {
  take_key NGC_API_KEY
  ngc_key=$taken
  [ -z "$ngc_key" ] && [ -t 0 ] && ! $dry_run && ask_ngc_key
  return 0
}

ask_ngc_key() {
  has_ngc_secrets && return
  printf 'NGC API key (not shown; Enter to go without): ' >&2
  IFS= read -rs taken || taken=""
  echo >&2
  take_key NGC_API_KEY "$taken"
  ngc_key=$taken
}

has_ngc_secrets() {
  local name
  for name in ngc-api modelpullsecret imagepullsecret riva-model-deploy-key; do
    there secret "$name" || return 1
  done
}

# Writes a Secret from lines KEY|VALUE, over what was there: NAME [TYPE]. Server-side apply keeps no
# copy of it in an annotation, and printf is the shell's own: nothing is an argument of a program.
put_secrets() {
  local name=$1 type=${2:-Opaque} key value data=""
  while IFS='|' read -r key value; do
    data="$data  \"$key\": $(printf %s "$value" | base64 | tr -d '\n')
"
  done
  printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\n  labels: {app.kubernetes.io/part-of: voice-workflow}\ntype: %s\ndata:\n%s' \
    "$name" "$namespace" "$type" "$data" | apply
}

put_secret() {
  printf '%s|%s\n' "$2" "$3" | put_secrets "$1" "${4:-Opaque}" || fail "the secret $1 was not taken"
}

registry_login() {
  local auth
  # shellcheck disable=SC2016  # the user name is literally $oauthtoken
  auth=$(printf '$oauthtoken:%s' "$ngc_key" | base64 | tr -d '\n')
  # shellcheck disable=SC2016
  printf '{"auths":{"%s":{"username":"$oauthtoken","password":"%s","auth":"%s"}}}' "$registry" "$ngc_key" "$auth"
}

# Writes the four secrets that NVIDIA's images and models are fetched with.
put_ngc_secrets() {
  step "secrets in $namespace"
  if [ -z "$ngc_key" ]; then
    $dry_run && { note "no NGC_API_KEY: would use the secrets that are there"; return; }
    has_ngc_secrets || fail "no key: set NGC_API_KEY (or NGC_API_KEY_FILE), made at NGC under Setup, API Keys"
    ok "no NGC_API_KEY given; the secrets that are there are used"
    return
  fi
  put_secret ngc-api NGC_API_KEY "$ngc_key"
  put_secret modelpullsecret apikey "$ngc_key"
  put_secret imagepullsecret .dockerconfigjson "$(registry_login)" kubernetes.io/dockerconfigjson
  # NVIDIA's models are encrypted with a key that is public.
  take_key MODEL_DEPLOY_KEY
  put_secret riva-model-deploy-key key "${taken:-tlt_encode}"
  ngc_key=""
}
