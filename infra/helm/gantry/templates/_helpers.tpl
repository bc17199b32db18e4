{{- define "gantry.name" -}}
{{- if contains "gantry" .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- else -}}{{ printf "%s-gantry" .Release.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "gantry.selector" -}}
app.kubernetes.io/name: gantry
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gantry.labels" -}}
{{ include "gantry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gantry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "gantry.name" .) }}{{- else -}}{{ .Values.serviceAccount.name | default "default" }}{{- end -}}
{{- end -}}

{{- define "gantry.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Secrets that are mounted: setting, name and key, one a line. */}}
{{- define "gantry.secretFiles" -}}
{{- $settings := dict "databaseUrl" "GANTRY_DATABASE_URL_FILE" "signingKey" "GANTRY_SIGNING_KEY_FILE" "trustedProxySecret" "GANTRY_TRUSTED_PROXY_SECRET_FILE" "awsCredentials" "AWS_SHARED_CREDENTIALS_FILE" -}}
{{- $unused := list -}}
{{- if .Values.embedded.enabled -}}{{- $unused = list "databaseUrl" "signingKey" "awsCredentials" -}}{{- end -}}
{{- range $which, $setting := $settings -}}
{{- $secret := index $.Values.secrets $which -}}
{{- if and $secret.name (not (has $which $unused)) }}
- {setting: {{ $setting }}, name: {{ $secret.name | quote }}, key: {{ $secret.key | quote }}, file: {{ $which }}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gantry.environment" -}}
- {name: GANTRY_LISTEN, value: "0.0.0.0:8080"}
- {name: GANTRY_DATA_DIR, value: /var/lib/gantry}
- {name: GANTRY_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
- {name: GANTRY_SERVER__GRACE, value: {{ printf "%ds" (int .Values.drainSeconds) | quote }}}
{{- if .Values.embedded.enabled }}
- {name: GANTRY_STORE_LISTEN, value: "0.0.0.0:8081"}
- {name: GANTRY_STORE_PUBLIC_URL, value: {{ .Values.embedded.storePublicUrl | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if not (and $.Values.embedded.enabled (or (eq $name "GANTRY_STORE") (hasPrefix "GANTRY_S3_" $name))) }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}
{{- range include "gantry.secretFiles" . | fromYamlArray }}
- {name: {{ .setting }}, value: {{ printf "/run/secrets/gantry/%s" .file | quote }}}
{{- end }}
{{- end -}}

{{- define "gantry.mounts" -}}
- {name: data, mountPath: /var/lib/gantry}
- {name: tmp, mountPath: /tmp}
{{- if include "gantry.secretFiles" . | fromYamlArray }}
- {name: secrets, mountPath: /run/secrets/gantry, readOnly: true}
{{- end }}
{{- end -}}

{{- define "gantry.volumes" -}}
{{- if not .Values.embedded.enabled }}
- name: data
  emptyDir: {}
{{- end }}
- name: tmp
  emptyDir: {}
{{- with include "gantry.secretFiles" . | fromYamlArray }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ .name }}
          items:
            - {key: {{ .key }}, path: {{ .file }}}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "gantry.container" -}}
image: {{ include "gantry.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  {{- include "gantry.environment" . | nindent 2 }}
volumeMounts:
  {{- include "gantry.mounts" . | nindent 2 }}
{{- end -}}

{{/* What every pod has, beside its containers. */}}
{{- define "gantry.pod" -}}
serviceAccountName: {{ include "gantry.serviceAccount" . }}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  {{- include "gantry.volumes" . | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A pod that serves. */}}
{{- define "gantry.servingPod" -}}
{{ include "gantry.pod" . }}
# Endpoints forget the pod during preStop; then requests, then workers, and 15 seconds for the rest.
terminationGracePeriodSeconds: {{ add .Values.preStopSeconds .Values.drainSeconds .Values.drainSeconds 15 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "gantry.selector" . | nindent 8 }}
        app.kubernetes.io/component: serve
containers:
  - name: gantry
    {{- include "gantry.container" . | nindent 4 }}
    args: [serve]
    ports:
      - {name: http, containerPort: 8080}
      {{- if .Values.embedded.enabled }}
      - {name: store, containerPort: 8081}
      {{- end }}
    # A database that is away makes a node not ready; restarting it would not help.
    startupProbe:
      httpGet: {path: /livez, port: http}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /livez, port: http}
      periodSeconds: 10
      timeoutSeconds: 3
      failureThreshold: 3
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 1
    lifecycle:
      preStop:
        exec: {command: [sleep, {{ .Values.preStopSeconds | quote }}]}
    resources: {{- toYaml .Values.resources | nindent 6 }}
{{- end -}}
