{{- define "riva.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* `riva-api` for a release of that name, else RELEASE-riva-api: the rule of NVIDIA's chart. */}}
{{- define "riva.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else if contains (include "riva.name" .) .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "riva.name" .) | trunc 54 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "riva.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: {{ include "riva.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What tells one component's pods from the others: (list ROOT COMPONENT). */}}
{{- define "riva.selector" -}}
app.kubernetes.io/name: {{ include "riva.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Where NVIDIA's images come from; NVIDIA's own chart calls it imageurl. */}}
{{- define "riva.registry" -}}
{{- .Values.imageurl | default .Values.ngcCredentials.registry }}
{{- end }}

{{- define "riva.serverImage" -}}
{{- $v := .Values }}
{{- $v.rawServerImage | default (printf "%s/%s/%s/%s:%s" (include "riva.registry" .) $v.riva_ngc_org $v.riva_ngc_team $v.riva.speechImageName $v.riva_ngc_image_version) }}
{{- end }}

{{/* Until 2.16 models were built by an image of their own. */}}
{{- define "riva.servicemakerImage" -}}
{{- if .Values.rawServicemakerImage }}
{{- .Values.rawServicemakerImage }}
{{- else if and (not .Values.rawServerImage) (semverCompare "<2.17.0-0" .Values.riva_ngc_image_version) }}
{{- include "riva.serverImage" . }}-servicemaker
{{- else }}
{{- include "riva.serverImage" . }}
{{- end }}
{{- end }}

{{/* What this chart's own group lists. */}}
{{- define "riva.ownModels" -}}
["nvidia/riva/rmir_asr_parakeet_0-6b_en_us_str_thr","nvidia/riva/rmir_nlp_punctuation_bert_base_en_us","nvidia/riva/rmir_tts_fastpitch_hifigan_en_us_ipa"]
{{- end }}

{{/* The groups of RMIRs, as JSON. A file made for NVIDIA's chart has its models in triton0: they are instead of our own. */}}
{{- define "riva.groups" -}}
{{- $groups := .Values.ngcModelConfigs | default .Values.modelRepoGenerator.ngcModelConfigs }}
{{- $theirs := get $groups "triton0" | default dict }}
{{- $own := get $groups "tritonGroup0" | default dict }}
{{- if and $theirs.enabled $theirs.models (eq (toJson $own.models) (include "riva.ownModels" .)) }}
{{- $groups = omit $groups "tritonGroup0" }}
{{- end }}
{{- toJson $groups }}
{{- end }}

{{/* The RMIRs of every group that is on, each with its version. */}}
{{- define "riva.models" -}}
{{- $models := list }}
{{- range $name, $group := (include "riva.groups" . | fromJson) }}
{{- if or (not (hasKey $group "enabled")) $group.enabled }}
{{- range $group.models }}
{{- if contains ":" . }}
{{- $models = append $models . }}
{{- else if contains "#" . }}
{{- $models = append $models (replace "#" (printf ":%s#" $.Values.riva_ngc_model_version) .) }}
{{- else }}
{{- $models = append $models (printf "%s:%s" . $.Values.riva_ngc_model_version) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $models }}
{{- end }}

{{- define "riva.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* The given resources and so many GPUs, by their name here: (list RESOURCES GPUS NAME). */}}
{{- define "riva.resources" -}}
{{- $resources := deepCopy (index . 0) }}
{{- $name := index . 2 }}
{{- with index . 1 }}
{{- $limits := merge (dict $name .) ($resources.limits | default dict) }}
{{- $_ := set $resources "limits" $limits }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* Where GPU pods may run, and as whom. */}}
{{- define "riva.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{ include "riva.pullSecrets" . }}
{{- end }}

{{/* Of every pod: a mirror that has NVIDIA's images may have the others, too. */}}
{{- define "riva.pullSecrets" -}}
imagePullSecrets:
  - name: {{ .Values.modelRepoGenerator.imagePullSecret }}
  {{- with .Values.imagePullSecrets }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Whether limits name a GPU of another kind, as x.y/z. */}}
{{- define "riva.hasGpu" -}}
{{- range $name, $amount := (.limits | default dict) }}{{ if contains "/" $name }}true{{ break }}{{ end }}{{ end -}}
{{- end }}

{{/* A GET on a port every ten seconds, for so many seconds: (list PATH PORT SECONDS). */}}
{{- define "riva.httpProbe" -}}
httpGet: {path: {{ index . 0 }}, port: {{ index . 1 }}}
periodSeconds: 10
timeoutSeconds: 5
failureThreshold: {{ div (add (index . 2) 9) 10 }}
{{- end }}
