{{/* The name of the ClusterRoles: of a second release in a cluster, with its namespace. */}}
{{- define "haldane.role" -}}
haldane-controller{{ if not .Values.common }}-{{ .Release.Namespace }}{{ end }}
{{- end }}
