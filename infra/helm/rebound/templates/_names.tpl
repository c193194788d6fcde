{{- define "rebound.name" -}}
{{ .Release.Name }}-rebound
{{- end -}}

{{- define "rebound.labels" -}}
app.kubernetes.io/name: rebound
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "rebound.redisUrl" -}}
{{- if .Values.redis.tryOut.enabled -}}
redis://{{ include "rebound.name" . }}-redis:6379
{{- else -}}
{{ .Values.redis.url }}
{{- end -}}
{{- end -}}
