{{- define "trimtab.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 52 characters, so that what is appended still fits into 63. */}}
{{- define "trimtab.fullname" -}}
{{- $name := include "trimtab.name" . }}
{{- if .Values.fullnameOverride }}{{ $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}{{ $name = printf "%s-%s" .Release.Name $name }}
{{- else }}{{ $name = .Release.Name }}
{{- end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "trimtab.selectorLabels" -}}
app.kubernetes.io/name: {{ include "trimtab.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "trimtab.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "trimtab.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: trimtab
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "trimtab.serviceAccountName" -}}
{{- default (ternary (include "trimtab.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "trimtab.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}
{{- else }}{{ printf "%s:%s" .repository (default (print $.Chart.AppVersion (ternary "-cuda" "" $.Values.gpu.enabled)) .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "trimtab.workloadKind" -}}
{{- ternary "StatefulSet" "Deployment" .Values.state.enabled }}
{{- end }}

{{- define "trimtab.modelClaim" -}}
{{- if .Values.model.existingClaim }}{{ .Values.model.existingClaim }}
{{- else if .Values.model.claim.create }}{{ include "trimtab.fullname" . }}-model
{{- end }}
{{- end }}

{{- /* The file of trimtabd's --config. JSON writes strings, numbers, flags and lists of strings as TOML does. */}}
{{- define "trimtab.config" -}}
{{- $default := ternary (dict "device" "cuda:0") (dict) .Values.gpu.enabled }}
{{- range $name, $value := merge (deepCopy .Values.config) $default }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{- define "trimtab.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "trimtab.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
