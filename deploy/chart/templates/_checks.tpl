{{- /* What no schema can say: values that exclude or need each other. */}}
{{- define "trimtab.checks" -}}
{{- with .Values }}
{{- if and .state.enabled (not .tokens.existingSecret) }}
{{- fail "state.enabled keeps published versions, but without tokens.existingSecret the server takes none: name a secret with publish tokens" }}
{{- end }}
{{- if and .tls.clientCaSecret (not .tls.existingSecret) }}
{{- fail "tls.clientCaSecret asks callers for certificates, which needs tls.existingSecret, the server's own" }}
{{- end }}
{{- if and .tls.clientCaSecret (not .tls.testClientSecret) }}
{{- fail "tls.clientCaSecret asks callers for certificates, helm test too: name the secret with its certificate in tls.testClientSecret" }}
{{- end }}
{{- if and .tls.existingSecret (or .route.enabled .ingress.enabled) }}
{{- fail "tls.existingSecret excludes route.enabled and ingress.enabled, which call the pods without TLS: end TLS there, or in the pods" }}
{{- end }}
{{- if and .model.existingClaim .model.claim.create }}
{{- fail "model.existingClaim and model.claim.create exclude each other: use the claim that exists, or have one made" }}
{{- end }}
{{- $claim := or .model.existingClaim .model.claim.create }}
{{- if and $claim (not (hasPrefix "/models/" .model.path)) }}
{{- fail (printf "model.path is %s, but the claim is mounted at /models: expected a path such as /models/mine" .model.path) }}
{{- end }}
{{- if and .initContainers (not $claim) }}
{{- fail "initContainers fill the volume of the model, but there is none: set model.existingClaim or model.claim.create" }}
{{- end }}
{{- $many := or (gt (int .replicas) 1) .autoscaling.enabled }}
{{- if and .model.claim.create $many (not (has "ReadWriteMany" .model.claim.accessModes)) }}
{{- fail "model.claim.accessModes must have ReadWriteMany for several replicas: pods on other nodes could not mount it" }}
{{- end }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "autoscaling.minReplicas is %v, above maxReplicas, which is %v" .autoscaling.minReplicas .autoscaling.maxReplicas) }}
{{- end }}
{{- if and .route.enabled (not .route.parentRefs) }}
{{- fail "route.parentRefs is empty: name the Gateway that the route belongs to" }}
{{- end }}
{{- if and .ingress.enabled (not (and .ingress.host .ingress.tlsSecret)) }}
{{- fail "ingress needs host and tlsSecret: ingress-nginx speaks gRPC only over TLS" }}
{{- end }}
{{- end }}
{{- end }}
