{{/* What the pod of a gate is made of. */}}
{{- define "flowgate.placement" -}}
affinity:
  {{- if .Values.affinity }}
  {{- toYaml .Values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "flowgate.selector" . | nindent 14 }}
  {{- end }}
topologySpreadConstraints:
  {{- if .Values.topologySpreadConstraints }}
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "flowgate.selector" . | nindent 8 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "flowgate.container" -}}
image: {{ include "flowgate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
env:
  - name: FLOWGATE_CONFIG
    value: /etc/flowgate/flowgate.toml
  # The name of a pod comes again with it: transactional id and place in the consumer group are made from it.
  - name: FLOWGATE_INSTANCE
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  - name: FLOWGATE_HTTP
    value: {{ printf "%s:8714" .Values.http.address | quote }}
  # HTTP answers whoever asks by an address, or by one of these names.
  - name: FLOWGATE_HTTP_HOSTS
    value: {{ include "flowgate.hosts" . | quote }}
{{- if .Values.secretConfig.name }}
envFrom:
  - configMapRef:
      name: {{ include "flowgate.fullname" . }}-config
{{- end }}
ports:
  - name: http
    containerPort: 8714
# /livez answers from the start on, also while brokers are awaited or partitions are restored.
startupProbe:
  httpGet:
    path: /livez
    port: http
    {{- include "flowgate.probes.scheme" . | nindent 4 }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: {{ div .Values.probes.startupSeconds 2 }}
livenessProbe:
  httpGet:
    path: /livez
    port: http
    {{- include "flowgate.probes.scheme" . | nindent 4 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div .Values.probes.livenessSeconds 10 }}
# Every partition of this gate is restored. Restoring may take as long as it must: nobody is killed for it.
readinessProbe:
  httpGet:
    path: /readyz
    port: http
    {{- include "flowgate.probes.scheme" . | nindent 4 }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: config
    mountPath: /etc/flowgate
    readOnly: true
  {{- range .Values.secretMounts }}
  - name: {{ .name }}
    mountPath: {{ .mountPath }}
    readOnly: true
  {{- end }}
  {{- if and .Values.strimzi.user.enabled (eq .Values.strimzi.user.authentication "tls") }}
  - name: strimzi-tls
    mountPath: {{ include "flowgate.strimziFolder" . }}
    readOnly: true
  {{- end }}
{{- end -}}

{{/* Mode 0440: without a bit for others, for the gate warns of secrets that every user may read. */}}
{{- define "flowgate.volumes" -}}
- name: config
  {{- if .Values.secretConfig.name }}
  secret:
    secretName: {{ .Values.secretConfig.name }}
    defaultMode: 0440
    items:
      - key: {{ .Values.secretConfig.key }}
        path: flowgate.toml
  {{- else }}
  configMap:
    name: {{ include "flowgate.fullname" . }}-config
  {{- end }}
{{- range .Values.secretMounts }}
- name: {{ .name }}
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    {{- with .items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- if and .Values.strimzi.user.enabled (eq .Values.strimzi.user.authentication "tls") }}
- name: strimzi-tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "flowgate.fullname" . }}
          items:
            - {key: user.crt, path: user.crt}
            - {key: user.key, path: user.key}
      - secret:
          name: {{ .Values.strimzi.cluster }}-cluster-ca-cert
          items:
            - {key: ca.crt, path: ca.crt}
{{- end }}
{{- end -}}

{{/* Probes do not ask whose certificate it is. */}}
{{- define "flowgate.probes.scheme" -}}
scheme: {{ if .Values.config.http_tls_certificate }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}
