{{- define "voice.name" -}}
{{ .Release.Name }}-gateway
{{- end }}

{{- define "voice.localStack" -}}
{{ .Release.Name }}-local-stack
{{- end }}

{{/* What never changes about a pod; component is gateway, local-stack or test. */}}
{{- define "voice.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "voice.labels" -}}
{{ include "voice.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voice-workflow
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "voice.image" -}}
{{- $name := .image.repository -}}
{{- with .image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if .image.digest -}}
{{ $name }}@{{ .image.digest }}
{{- else -}}
{{ $name }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The settings as they stand: the chart's values, then what other values decide. */}}
{{- define "voice.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if .Values.localStack.enabled -}}
{{- $_ := set $settings "RIVA_URI" (printf "%s:50052" (include "voice.localStack" .)) -}}
{{- $_ := set $settings "RIVA_ASR_URI" "" -}}
{{- $_ := set $settings "RIVA_TTS_URI" "" -}}
{{- $_ := set $settings "LLM_BASE_URL" (printf "http://%s:8000/v1" (include "voice.localStack" .)) -}}
{{- $_ := set $settings "LLM_MODEL" .Values.localStack.llm -}}
{{- end -}}
{{- with .Values.callState.redis.url -}}
{{- $_ := set $settings "CALL_STATE_URL" . -}}
{{- end -}}
{{- if .Values.rivaCa.secretName -}}
{{- $_ := set $settings "RIVA_TLS_CA" "/etc/voice/riva-ca/ca.crt" -}}
{{- end -}}
{{- if .Values.apiKeys.secretName -}}
{{- $_ := set $settings "API_KEYS_FILE" (printf "/etc/voice/keys/%s" .Values.apiKeys.key) -}}
{{- end -}}
{{- if .Values.gatewayTls.secretName -}}
{{- $_ := set $settings "TLS_CERT" "/etc/voice/tls/tls.crt" -}}
{{- $_ := set $settings "TLS_KEY" "/etc/voice/tls/tls.key" -}}
{{- if .Values.gatewayTls.clientCa }}{{ $_ := set $settings "TLS_CLIENT_CA" "/etc/voice/tls/ca.crt" }}{{ end -}}
{{- if .Values.gatewayTls.clientCrl }}{{ $_ := set $settings "TLS_CLIENT_CRL" "/etc/voice/tls/ca.crl" }}{{ end -}}
{{- end -}}
{{- if and .Values.exposure.web (not $settings.HTTP_HOSTS) -}}
{{- $_ := set $settings "HTTP_HOSTS" (include "voice.webHost" .) -}}
{{- end -}}
{{- if .Values.recordings.enabled -}}
{{- $_ := set $settings "RECORD_EVENTS_DIR" "/recordings" -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{/* Numbers as the gateway reads them: never 1e+06. */}}
{{- define "voice.settingText" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{- define "voice.secretName" -}}
{{- .Values.existingSecret | default (ternary (include "voice.name" .) "" (eq (include "voice.hasSecrets" .) "true")) -}}
{{- end }}

{{/* Single keys of Secrets: those of the values, then what other values decide. */}}
{{- define "voice.secretKeys" -}}
{{- $keys := deepCopy .Values.secretKeys -}}
{{- with .Values.callState.redis -}}
{{- if .existingSecret }}{{ $_ := set $keys "CALL_STATE_URL" (dict "name" .existingSecret "key" .key) }}{{ end -}}
{{- end -}}
{{- toJson $keys -}}
{{- end }}

{{/* The port of Redis, where there is one. */}}
{{- define "voice.redisPort" -}}
{{- $url := .Values.callState.redis.url | default .Values.secrets.CALL_STATE_URL -}}
{{- if $url -}}
{{- regexReplaceAll "^rediss?://([^@/]*@)?" $url "" | regexFind "^[^/]+" | regexFind ":[0-9]+$" | trimPrefix ":" | default "6379" -}}
{{- else if hasKey (include "voice.secretKeys" . | fromJson) "CALL_STATE_URL" -}}
{{- .Values.callState.redis.port -}}
{{- end -}}
{{- end }}

{{- define "voice.hasSecrets" -}}
{{- range $name, $value := .Values.secrets }}{{ if $value }}true{{ break }}{{ end }}{{ end -}}
{{- end }}

{{- define "voice.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "voice.name" .) }}
{{- end }}

{{- define "voice.tlsSecret" -}}
{{ .Values.exposure.tls.secretName | default (printf "%s-tls" (include "voice.name" .)) }}
{{- end }}

{{/* Seconds a proxy must let a call live, and let it be silent: a little more than the gateway does. */}}
{{- define "voice.longest" -}}
{{ add (ceil .Values.settings.CALL_MAX_S) 60 }}
{{- end }}
{{- define "voice.silent" -}}
{{ add (ceil .Values.settings.CALL_IDLE_TIMEOUT_S) 60 }}
{{- end }}

{{/* Seconds until a pod that leaves is killed: its preparations, its calls, the gateway's own stop. */}}
{{- define "voice.grace" -}}
{{ add .Values.drain.endpointsSeconds .Values.drain.callsSeconds (ceil .Values.settings.DRAIN_S) 10 }}
{{- end }}

{{/* Labels of what Prometheus reads of the pods. A PodMonitor gives no label `service`, so that it is not asked for. */}}
{{- define "voice.series" -}}
namespace={{ .Release.Namespace | quote }},pod=~"{{ include "voice.name" . }}-[^-]+-[^-]+"
{{- end }}

{{/* The name of the page and the Realtime API. */}}
{{- define "voice.webHost" -}}
{{ .Values.exposure.webHost | default .Values.exposure.host }}
{{- end }}

{{/* The items of a setting that lists addresses, as JSON. */}}
{{- define "voice.listed" -}}
{{- regexSplit "[,\\s]+" . -1 | compact | toJson -}}
{{- end }}

{{/* The port of HOST:PORT, of dns:///HOST:PORT or of a URL. */}}
{{- define "voice.port" -}}
{{- $rest := regexReplaceAll "^(https?://|dns:///)" . "" | regexFind "^[^/]+" -}}
{{- $port := regexFind ":[0-9]+$" $rest | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (hasPrefix "https://" .)) -}}
{{- end }}

{{/* Pod Security "restricted", and a file system that cannot be written to. */}}
{{- define "voice.podSecurity" -}}
{{- toYaml .Values.podSecurityContext }}
{{- end }}

{{- define "voice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
