{{- define "bqtape.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "bqtape.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bqtape.labels" -}}
{{ include "bqtape.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "bqtape.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "bqtape.fullname" .) -}}
{{- end -}}

{{- define "bqtape.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* bqtape.yaml: what belongs to the pods, and over it what values say. */}}
{{- define "bqtape.config" -}}
{{- $advertise := printf "%s.%s.svc:%v" (include "bqtape.fullname" .) .Release.Namespace .Values.service.proxy.port -}}
{{- $own := dict
  "proxy" (dict "listen" "0.0.0.0:8080" "advertise" $advertise "drainTimeout" "30s")
  "control" (dict "listen" "0.0.0.0:8081")
  "metrics" (dict "listen" "0.0.0.0:9464")
  "dataDir" "/data"
  "ca" (dict "cert" "/etc/bqtape/authority/ca.pem" "key" "/etc/bqtape/authority/ca.key")
  "identity" (dict "session" (dict "keyFile" "/etc/bqtape/session/session.key"))
-}}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{/* config.proxy.drainTimeout in seconds, rounded up. */}}
{{- define "bqtape.drainSeconds" -}}
{{- $config := include "bqtape.config" . | fromYaml -}}
{{- $text := $config.proxy.drainTimeout | toString -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- $milliseconds := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- if not (hasKey $milliseconds $unit) -}}
{{- fail (printf "config.proxy.drainTimeout is %q: expected a length of time, such as 30s or 5m" $text) -}}
{{- end -}}
{{- div (add (mul $number (get $milliseconds $unit)) 999) 1000 -}}
{{- end -}}

{{/* A service for outside the cluster is of no use to whom the policy keeps out: only an ipBlock lets in who is no pod. */}}
{{- define "bqtape.outsideLetIn" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $peers := dict "proxy" $policy.agents "control" (concat $policy.agents $policy.control) -}}
{{- range $service, $let := $peers -}}
{{- $type := (get $.Values.service $service).type -}}
{{- $addresses := false -}}
{{- range $let }}{{ if hasKey . "ipBlock" }}{{ $addresses = true }}{{ end }}{{ end -}}
{{- if and (ne $type "ClusterIP") (not $addresses) -}}
{{- fail (printf "service.%s.type is %s, but networkPolicy lets in pods alone: name the addresses that others come from, as in networkPolicy.agents: [{ ipBlock: { cidr: 10.0.0.0/8 } }]" $service $type) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* From SIGKILL backwards: the delay before SIGTERM, the drain, and the ends of the journals. */}}
{{- define "bqtape.graceSeconds" -}}
{{- add .Values.preStopSeconds (include "bqtape.drainSeconds" . | int64) 45 -}}
{{- end -}}
