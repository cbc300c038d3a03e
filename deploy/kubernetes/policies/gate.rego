# What exactly-once and short pauses stand on.
package flowgate.gate

import rego.v1

import data.flowgate.pods

is_gate if input.kind == "StatefulSet"

deny contains "instance is not the name of the pod: its place in the group and its transactional id would not come again with it" if {
	is_gate
	some container in pods.containers
	not "metadata.name" in {variable.valueFrom.fieldRef.fieldPath |
		some variable in container.env
		variable.name == "FLOWGATE_INSTANCE"
	}
}

# A stop in good order takes 4.8 s (src/cli/run.rs), and a busy node makes it longer.
deny contains "the gate is killed before it can have stopped in good order" if {
	is_gate
	pods.spec.terminationGracePeriodSeconds < 10
}

deny contains "Services become variables, and FLOWGATE_... are settings" if {
	pods.spec
	not pods.spec.enableServiceLinks == false
}

deny contains "a gate that cannot start would hold the others up" if {
	is_gate
	input.spec.podManagementPolicy != "Parallel"
}

deny contains "no port 8714 named http: Services, probes and monitors ask there" if {
	is_gate
	some container in pods.containers
	not 8714 in {port.containerPort | some port in container.ports; port.name == "http"}
}
