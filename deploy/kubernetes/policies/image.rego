# What runs is named exactly.
package flowgate.image

import rego.v1

import data.flowgate.pods

deny contains sprintf("container %s: image %s has neither version nor digest", [container.name, container.image]) if {
	some container in pods.containers
	not regex.match(`(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$`, container.image)
}

deny contains sprintf("container %s: image %s is another one tomorrow", [container.name, container.image]) if {
	some container in pods.containers
	regex.match(`:(latest|main|master|edge)$`, container.image)
}
