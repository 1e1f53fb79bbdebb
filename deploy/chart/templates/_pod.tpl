{{- /* The pod of Deployment and StatefulSet alike. */}}
{{- define "trimtab.pod" -}}
metadata:
  # None that a new version of the chart alone would change: pods that restart mix everything anew.
  labels:
    {{- include "trimtab.selectorLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "trimtab.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "trimtab.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The two timers of a drain, one after the other, and time to exit.
  terminationGracePeriodSeconds: {{ add (ceil (index .Values.config "drain-accept-seconds")) (ceil (index .Values.config "drain-seconds")) 10 }}
  securityContext:
    {{- include "trimtab.podSecurityContext" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{- include "trimtab.container" . | nindent 6 }}
  volumes:
    - name: config
      configMap: {name: {{ include "trimtab.fullname" . }}}
    {{- with .Values.tokens.existingSecret }}
    - name: tokens
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.tls.existingSecret }}
    - name: tls
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.tls.clientCaSecret }}
    - name: client-ca
      secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}
    {{- end }}
    {{- with include "trimtab.modelClaim" . }}
    - name: model
      persistentVolumeClaim: {claimName: {{ . }}}
    {{- end }}
  {{- include "trimtab.placement" . | nindent 2 }}
{{- end }}

{{- define "trimtab.container" -}}
name: trimtabd
image: {{ include "trimtab.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [trimtabd]
args:
  - --config=/etc/trimtab/trimtabd.toml
  - --model={{ .Values.model.path }}
  - --listen=0.0.0.0:50051
  - --metrics-listen=0.0.0.0:9090
  {{- if .Values.tokens.existingSecret }}
  - --tokens=/etc/trimtab/tokens/{{ .Values.tokens.key }}
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  - --tls-certificate=/etc/trimtab/tls/{{ .Values.tls.certificateKey }}
  - --tls-key=/etc/trimtab/tls/{{ .Values.tls.keyKey }}
  {{- end }}
  {{- if .Values.tls.clientCaSecret }}
  - --tls-client-ca=/etc/trimtab/client-ca/ca.crt
  {{- end }}
  {{- if .Values.state.enabled }}
  - --state-dir=/var/lib/trimtab
  {{- end }}
{{- if not (hasKey .Values.config "threads") }}
env:
  # The processors of this container's limit, or of the node where it has none.
  - name: TRIMTAB_THREADS
    valueFrom:
      resourceFieldRef: {containerName: trimtabd, resource: limits.cpu}
{{- end }}
ports:
  - {name: grpc, containerPort: 50051}
  - {name: metrics, containerPort: 9090}
# Ready once the model is loaded and mixed; new parameters never change that, and alive says nothing about the model.
startupProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
securityContext:
  {{- include "trimtab.securityContext" . | nindent 2 }}
resources:
  {{- include "trimtab.resources" . | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/trimtab/trimtabd.toml, subPath: trimtabd.toml, readOnly: true}
  {{- if .Values.tokens.existingSecret }}
  - {name: tokens, mountPath: /etc/trimtab/tokens, readOnly: true}
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  - {name: tls, mountPath: /etc/trimtab/tls, readOnly: true}
  {{- end }}
  {{- if .Values.tls.clientCaSecret }}
  - {name: client-ca, mountPath: /etc/trimtab/client-ca, readOnly: true}
  {{- end }}
  {{- if include "trimtab.modelClaim" . }}
  - {name: model, mountPath: /models, readOnly: true}
  {{- end }}
  {{- if .Values.state.enabled }}
  - {name: state, mountPath: /var/lib/trimtab}
  {{- end }}
{{- end }}

{{- define "trimtab.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- if .Values.gpu.enabled }}
{{- $gpu := dict "limits" (dict .Values.gpu.resource (toString .Values.gpu.count)) }}
{{- $resources = merge $resources $gpu }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- define "trimtab.placement" -}}
{{- $tolerations := .Values.tolerations }}
{{- if .Values.gpu.enabled }}{{ $tolerations = concat $tolerations .Values.gpu.tolerations }}{{ end }}
{{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
runtimeClassName: {{ .Values.gpu.runtimeClassName }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.topologySpread }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "trimtab.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
