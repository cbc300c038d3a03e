# Readiness follows the brokers and the partitions; the end of a process does not, or an outage of Kafka would restart every gate.
package flowgate.probes

import rego.v1

import data.flowgate.pods

gates contains container if {
	input.kind == "StatefulSet"
	some container in pods.containers
}

deny contains sprintf("container %s: %s does not ask %s", [gate.name, probe, path]) if {
	some gate in gates
	some probe, path in {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
	object.get(gate, [probe, "httpGet", "path"], "") != path
}

deny contains sprintf("container %s is ended after less than 20 s without an answer", [gate.name]) if {
	some gate in gates
	gate.livenessProbe.periodSeconds * gate.livenessProbe.failureThreshold < 20
}
