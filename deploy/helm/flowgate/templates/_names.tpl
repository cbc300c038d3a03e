{{- define "flowgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters: what comes behind it (`-pods`, a number, a hash of a revision) has to fit into 63. */}}
{{- define "flowgate.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "flowgate.selector" -}}
app.kubernetes.io/name: {{ include "flowgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "flowgate.labels" -}}
{{ include "flowgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "flowgate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "flowgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "flowgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* By which names HTTP may be asked. */}}
{{- define "flowgate.hosts" -}}
{{- $names := list -}}
{{- $domain := .Values.http.clusterDomain -}}
{{- range list (include "flowgate.fullname" .) (printf "$(FLOWGATE_INSTANCE).%s-pods" (include "flowgate.fullname" .)) -}}
{{- $name := . -}}
{{- range list "" ".$(POD_NAMESPACE)" ".$(POD_NAMESPACE).svc" (printf ".$(POD_NAMESPACE).svc.%s" $domain) -}}
{{- $names = append $names (print $name .) -}}
{{- end -}}
{{- end -}}
{{- concat $names .Values.http.hosts | join "," -}}
{{- end -}}
