{{/*
The settings as a flat list, `name: value`, with the names that `flowgate config show` has: `queue.topic_ttl`, `kafka.sasl.username`.
*/}}
{{- define "flowgate.settings" -}}
{{- $flat := dict -}}
{{- range $name, $value := .Values.config -}}
{{- if kindIs "map" $value -}}
{{- range $inner, $value := $value -}}
{{- $_ := set $flat (printf "%s.%s" $name $inner) (include "flowgate.text" $value) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $flat $name (include "flowgate.text" $value) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.strimzi.user.enabled (eq .Values.strimzi.user.authentication "tls") -}}
{{- $folder := include "flowgate.strimziFolder" . -}}
{{- $flat = merge $flat (dict "kafka.security.protocol" "SSL" "kafka.ssl.ca.location" (print $folder "/ca.crt")
  "kafka.ssl.certificate.location" (print $folder "/user.crt") "kafka.ssl.key.location" (print $folder "/user.key")) -}}
{{- end -}}
{{- toYaml $flat -}}
{{- end -}}

{{/* Numbers of values are floats, which would be written as 1e+06. */}}
{{- define "flowgate.text" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "flowgate.strimziFolder" -}}/etc/flowgate-strimzi{{- end -}}

{{/* The file. Every value is a text there: the gate reads it as what it has to be. */}}
{{- define "flowgate.toml" -}}
{{- range $name, $value := include "flowgate.settings" . | fromYaml }}
{{- if hasPrefix "kafka." $name }}
kafka.{{ trimPrefix "kafka." $name | quote }} = {{ $value | quote }}
{{- else }}
{{ $name }} = {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The same as variables. librdkafka's names have dots where these have `_`; in our own names `__` is the dot. */}}
{{- define "flowgate.variables" -}}
{{- range $name, $value := include "flowgate.settings" . | fromYaml }}
{{- if hasPrefix "kafka." $name }}
FLOWGATE_KAFKA__{{ trimPrefix "kafka." $name | replace "." "_" | upper }}: {{ $value | quote }}
{{- else }}
FLOWGATE_{{ $name | replace "." "__" | upper }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "flowgate.configData" -}}
{{- if .Values.secretConfig.name -}}
{{- include "flowgate.variables" . | trim -}}
{{- else -}}
flowgate.toml: |
  {{- include "flowgate.toml" . | trim | nindent 2 -}}
{{- end -}}
{{- end -}}
