# Who reaches a gate, and whom it reaches, is written down.
package flowgate.network

import rego.v1

deny contains sprintf("NetworkPolicy %s says nothing of %s", [input.metadata.name, way]) if {
	input.kind == "NetworkPolicy"
	some way in ["Ingress", "Egress"]
	not way in input.spec.policyTypes
}

deny contains sprintf("NetworkPolicy %s lets everybody in", [input.metadata.name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.ingress
	count(object.get(rule, "from", [])) == 0
}

deny contains sprintf("NetworkPolicy %s lets out to every port", [input.metadata.name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.egress
	count(object.get(rule, "ports", [])) == 0
}

deny contains sprintf("Service %s is reached from outside of the cluster", [input.metadata.name]) if {
	input.kind == "Service"
	object.get(input.spec, "type", "ClusterIP") != "ClusterIP"
}
