# A gate does not starve its neighbours, nor they the gate.
package flowgate.resources

import rego.v1

import data.flowgate.pods

deny contains sprintf("container %s has no %s of %s", [container.name, word, what]) if {
	some container in pods.containers
	some pair in [
		["requests", "cpu"], ["requests", "memory"], ["requests", "ephemeral-storage"],
		["limits", "memory"], ["limits", "ephemeral-storage"],
	]
	object.get(container, ["resources", pair[0], pair[1]], "none") == "none"
	word := pair[0]
	what := pair[1]
}

# Where less is asked for than may be taken, the node may have promised the rest to others: then the gate is killed when it needs it.
deny contains sprintf("container %s asks for less memory than it may take", [container.name]) if {
	input.kind == "StatefulSet"
	some container in pods.containers
	container.resources.requests.memory != container.resources.limits.memory
}
