{{/* What a schema cannot say: combinations that do not work, each refused with what to write instead. */}}
{{- define "voice.requirements" -}}
{{- include "voice.settingRequirements" . -}}
{{- include "voice.recordingRequirements" . -}}
{{- include "voice.secretRequirements" . -}}
{{- include "voice.callerRequirements" . -}}
{{- include "voice.callStateRequirements" . -}}
{{- include "voice.exposureRequirements" . -}}
{{- include "voice.scalingRequirements" . -}}
{{- end }}

{{- define "voice.settingRequirements" -}}
{{- $settings := .Values.settings -}}
{{- range $name := list "RIVA_URI" "RIVA_ASR_URI" "RIVA_TTS_URI" -}}
{{- range include "voice.listed" (get $settings $name) | fromJsonArray -}}
{{- if not (regexMatch "^(dns:///)?([^\\s/:]+|\\[[0-9a-fA-F:.]+\\]):\\d{1,5}$" .) -}}
{{- fail (printf "settings.%s is %q: write HOST:PORT without a scheme, such as riva-api:50051, or dns:///headless-riva-api-asr:50051 for all addresses of a name; %q is neither" $name (get $settings $name) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range include "voice.listed" $settings.LLM_BASE_URL | fromJsonArray | default (list "") -}}
{{- if not (regexMatch "^https?://[^\\s/?#]+\\S*$" .) -}}
{{- fail (printf "settings.LLM_BASE_URL is %q: write the URL of an OpenAI-style endpoint, such as http://llm-nim:8000/v1, or several; %q is none" $settings.LLM_BASE_URL .) -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$" $settings.ASR_LANGUAGE) -}}
{{- fail (printf "settings.ASR_LANGUAGE is %q: write a BCP-47 tag, such as en-US or hi-IN" $settings.ASR_LANGUAGE) -}}
{{- end -}}
{{- if eq (int $settings.GRPC_PORT) (int $settings.HTTP_PORT) -}}
{{- fail (printf "settings.GRPC_PORT and settings.HTTP_PORT are both %d: give them two ports, such as 50051 and 8080" (int $settings.GRPC_PORT)) -}}
{{- end -}}
{{- range list "GRPC_PORT" "HTTP_PORT" -}}
{{- if eq (int (get $settings .)) (int $settings.INTERNAL_PORT) -}}
{{- fail (printf "settings.%s and settings.INTERNAL_PORT are both %d: give them two ports, such as 8080 and 8081" . (int $settings.INTERNAL_PORT)) -}}
{{- end -}}
{{- end -}}
{{- range list "GRPC_HOST" "HTTP_HOST" -}}
{{- if regexMatch "^(localhost|127\\..*|\\[?::1\\]?)$" (get $settings .) -}}
{{- fail (printf "settings.%s is %q, which nobody outside the pod reaches: write 0.0.0.0, or leave it out; networkPolicy.callersFrom says who may call" . (get $settings .)) -}}
{{- end -}}
{{- end -}}
{{- $heirs := dict "LLM_SYSTEM_PROMPT" "SYSTEM_PROMPT" "ASR_SAMPLE_RATE" "SAMPLE_RATE" "TTS_SAMPLE_RATE" "SAMPLE_RATE" "METRICS_PORT" "HTTP_PORT" "SHUTDOWN_GRACE_PERIOD" "DRAIN_S" "LLM_SERVICE_URL" "LLM_BASE_URL" -}}
{{- range .Values.extraEnv -}}
{{- with get $heirs .name -}}
{{- fail (printf "extraEnv names what is settings.%s here, which would win: write it there" .) -}}
{{- end -}}
{{- if or (hasKey $settings .name) (hasKey $.Values.secrets .name) -}}
{{- fail (printf "extraEnv names %s, which is a setting: write it under settings or secrets" .name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "voice.recordingRequirements" -}}
{{- $folder := .Values.settings.RECORD_EVENTS_DIR -}}
{{- if and .Values.recordings.enabled $folder -}}
{{- fail (printf "recordings.enabled and settings.RECORD_EVENTS_DIR, %q, are both set: leave settings.RECORD_EVENTS_DIR empty, the chart sets it" $folder) -}}
{{- end -}}
{{- $mounted := false -}}
{{- range .Values.extraVolumeMounts -}}
{{- $inside := hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) (printf "%s/" (trimSuffix "/" $folder)) -}}
{{- if and $inside (not .readOnly) }}{{ $mounted = true }}{{ end -}}
{{- end -}}
{{- if and $folder (not $mounted) -}}
{{- fail (printf "settings.RECORD_EVENTS_DIR is %q, where a pod cannot write: leave it empty and set recordings.enabled=true, or mount a volume there by extraVolumes and extraVolumeMounts" $folder) -}}
{{- end -}}
{{- if and .Values.recordings.existingClaim (not .Values.recordings.enabled) -}}
{{- fail (printf "recordings.existingClaim is %q, but nothing is recorded: set recordings.enabled=true, or leave it empty" .Values.recordings.existingClaim) -}}
{{- end -}}
{{- end }}

{{- define "voice.secretRequirements" -}}
{{- $inValues := list -}}
{{- range $name, $value := .Values.secrets }}{{ if $value }}{{ $inValues = append $inValues $name }}{{ end }}{{ end -}}
{{- if and .Values.existingSecret $inValues -}}
{{- fail (printf "existingSecret is %q, and secrets.%s is set as well: put the key into that Secret, or leave existingSecret empty" .Values.existingSecret (first $inValues)) -}}
{{- end -}}
{{- range $name, $_ := .Values.secretKeys -}}
{{- if has $name $inValues -}}
{{- fail (printf "secretKeys.%s and secrets.%s are both set: keep one of them" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.rivaCa.secretName (not .Values.settings.RIVA_TLS) -}}
{{- fail (printf "rivaCa.secretName is %q, but Riva is not talked to over TLS: set settings.RIVA_TLS=true, or leave rivaCa.secretName empty" .Values.rivaCa.secretName) -}}
{{- end -}}
{{- if and .Values.rivaCa.secretName .Values.settings.RIVA_TLS_CA -}}
{{- fail "rivaCa.secretName and settings.RIVA_TLS_CA are both set: leave settings.RIVA_TLS_CA empty, the chart sets it" -}}
{{- end -}}
{{- end }}

{{- define "voice.callerRequirements" -}}
{{- $settings := .Values.settings -}}
{{- $keys := or .Values.secrets.API_KEYS (hasKey .Values.secretKeys "API_KEYS") .Values.existingSecret .Values.apiKeys.secretName $settings.API_KEYS_FILE $settings.JWT_JWKS .Values.gatewayTls.clientCa $settings.TLS_CLIENT_CA -}}
{{- if not (or $keys $settings.ALLOW_ANYONE) -}}
{{- fail "settings.ALLOW_ANYONE is false, and callers have nothing to show: set apiKeys.secretName, secretKeys.API_KEYS or settings.JWT_JWKS, or settings.ALLOW_ANYONE=true to serve whoever comes" -}}
{{- end -}}
{{- if and .Values.apiKeys.secretName $settings.API_KEYS_FILE -}}
{{- fail "apiKeys.secretName and settings.API_KEYS_FILE are both set: leave settings.API_KEYS_FILE empty, the chart sets it" -}}
{{- end -}}
{{- with .Values.gatewayTls -}}
{{- if and .secretName (or $settings.TLS_CERT $settings.TLS_KEY $settings.TLS_CLIENT_CA $settings.TLS_CLIENT_CRL) -}}
{{- fail "gatewayTls.secretName and settings.TLS_CERT, TLS_KEY, TLS_CLIENT_CA or TLS_CLIENT_CRL are both set: leave the settings empty, the chart sets them" -}}
{{- end -}}
{{- if and .clientCa (not .secretName) -}}
{{- fail "gatewayTls.clientCa is true without a certificate of the gateway's own: set gatewayTls.secretName" -}}
{{- end -}}
{{- if and .clientCrl (not .clientCa) -}}
{{- fail "gatewayTls.clientCrl is true, and no caller is asked for a certificate: set gatewayTls.clientCa=true" -}}
{{- end -}}
{{- if and .secretName $.Values.exposure.host -}}
{{- fail "gatewayTls.secretName and exposure.host are both set, and the routes of exposure speak no TLS to the pods: keep one of them" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "voice.callStateRequirements" -}}
{{- with .Values.callState.redis -}}
{{- if contains "@" .url -}}
{{- fail "callState.redis.url holds a password, and Helm keeps values in the release: put the whole URL into a Secret, and name that in callState.redis.existingSecret" -}}
{{- end -}}
{{- if and .url (not (regexMatch "^rediss?://[^\\s/?#]+(/\\d*)?$" .url)) -}}
{{- fail (printf "callState.redis.url is %q: write redis://HOST:PORT/DATABASE, or rediss:// for TLS, such as redis://redis:6379/0" .url) -}}
{{- end -}}
{{- $places := list -}}
{{- if .url }}{{ $places = append $places "callState.redis.url" }}{{ end -}}
{{- if .existingSecret }}{{ $places = append $places "callState.redis.existingSecret" }}{{ end -}}
{{- if $.Values.secrets.CALL_STATE_URL }}{{ $places = append $places "secrets.CALL_STATE_URL" }}{{ end -}}
{{- if hasKey $.Values.secretKeys "CALL_STATE_URL" }}{{ $places = append $places "secretKeys.CALL_STATE_URL" }}{{ end -}}
{{- if gt (len $places) 1 -}}
{{- fail (printf "%s are both set: keep one of them" (join " and " $places)) -}}
{{- end -}}
{{- if and .peers (not (include "voice.redisPort" $)) -}}
{{- fail "callState.redis.peers is set, but there is no Redis: set callState.redis.url or callState.redis.existingSecret, or leave peers empty" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "voice.exposureRequirements" -}}
{{- $routes := list -}}
{{- range list "gatewayApi" "traefik" "nginx" -}}
{{- if (get $.Values.exposure .).enabled }}{{ $routes = append $routes (printf "exposure.%s" .) }}{{ end -}}
{{- end -}}
{{- if gt (len $routes) 1 -}}
{{- fail (printf "%s are enabled at once: enable one route, and set enabled=false for the others" (join " and " $routes)) -}}
{{- end -}}
{{- if $routes -}}
{{- include "voice.routeRequirements" (dict "root" . "route" (first $routes)) -}}
{{- else if .Values.exposure.host -}}
{{- fail (printf "exposure.host is %q, but no route leads there: set enabled=true for exposure.gatewayApi, exposure.traefik or exposure.nginx" .Values.exposure.host) -}}
{{- end -}}
{{- end }}

{{- define "voice.routeRequirements" -}}
{{- with .root.Values.exposure -}}
{{- if not .host -}}
{{- fail (printf "%s is enabled without a name to dial: set exposure.host, such as voice.example.org" $.route) -}}
{{- end -}}
{{- if not (regexMatch "^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" .host) -}}
{{- fail (printf "exposure.host is %q: write a DNS name alone, such as voice.example.org, without scheme, port or path" .host) -}}
{{- end -}}
{{- $elsewhere := and .gatewayApi.enabled (not .gatewayApi.className) -}}
{{- if and .tls.enabled (not .tls.secretName) (not .tls.certManager.issuer) (not $elsewhere) -}}
{{- fail (printf "%s is to use TLS, but has no certificate: set exposure.tls.secretName to a TLS secret, or exposure.tls.certManager.issuer to an issuer, or exposure.tls.enabled=false inside a network you trust" $.route) -}}
{{- end -}}
{{- if and .tls.secretName .tls.certManager.issuer -}}
{{- fail (printf "exposure.tls.secretName is %q, and cert-manager would overwrite it: leave either secretName or certManager.issuer empty" .tls.secretName) -}}
{{- end -}}
{{- if and $elsewhere (not .gatewayApi.gateway.name) -}}
{{- fail "exposure.gatewayApi has no Gateway: set exposure.gatewayApi.gateway.name to one that exists, or exposure.gatewayApi.className to have one made" -}}
{{- end -}}
{{- if and .gatewayApi.enabled .gatewayApi.className .gatewayApi.gateway.name -}}
{{- fail "exposure.gatewayApi names both a className and a gateway.name: set className to have a Gateway made, or gateway.name to use one that exists" -}}
{{- end -}}
{{- if and .webHost (not .web) -}}
{{- fail (printf "exposure.webHost is %q, but the page is not let out: set exposure.web=true, or leave webHost empty" .webHost) -}}
{{- end -}}
{{- if and .webHost (not (regexMatch "^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" .webHost)) -}}
{{- fail (printf "exposure.webHost is %q: write a DNS name alone, such as talk.example.org, without scheme, port or path" .webHost) -}}
{{- end -}}
{{- if and .web .gatewayApi.enabled (eq .gatewayApi.implementation "nginx") (eq (.webHost | default .host) .host) -}}
{{- fail (printf "exposure.web is on, and NGINX Gateway Fabric serves calls and the page by two kinds of route, which may not share a name: set exposure.webHost to another than %q" .host) -}}
{{- end -}}
{{- if and .web .nginx.enabled -}}
{{- fail "exposure.web is not served by nginx, which takes one protocol per Ingress and name: set exposure.web=false, or use exposure.gatewayApi or exposure.traefik" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "voice.scalingRequirements" -}}
{{- if has (toString .Values.podDisruptionBudget.maxUnavailable) (list "0" "0%") -}}
{{- fail "podDisruptionBudget.maxUnavailable is 0, with which no node could ever be emptied: write 1, or a share such as 25%" -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if .enabled -}}
{{- if not (or .metricsCollected $.Values.monitoring.serviceMonitor.enabled) -}}
{{- fail "autoscaling.enabled needs metrics to scale on: set monitoring.serviceMonitor.enabled=true, or autoscaling.metricsCollected=true where Prometheus reads the pods already" -}}
{{- end -}}
{{- if and (eq .engine "keda") (not .keda.prometheusUrl) -}}
{{- fail "autoscaling.engine is keda, which asks Prometheus: set autoscaling.keda.prometheusUrl, such as http://prometheus-operated.monitoring:9090" -}}
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas is %d, above maxReplicas, %d: write minReplicas <= maxReplicas" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if ge (int .callsPerPod) (int $.Values.settings.MAX_CALLS) -}}
{{- fail (printf "autoscaling.callsPerPod is %d, but a pod is full at settings.MAX_CALLS, %d: write less, so that a pod can be added before callers are refused" (int .callsPerPod) (int $.Values.settings.MAX_CALLS)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
