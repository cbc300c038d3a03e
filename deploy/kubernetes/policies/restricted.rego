# Pod Security Standards, level `restricted`, and a root file system that nobody writes to.
package flowgate.restricted

import rego.v1

import data.flowgate.pods

deny contains "the pod may run as root: securityContext.runAsNonRoot is not true" if {
	pods.spec
	not pods.spec.securityContext.runAsNonRoot == true
}

deny contains "the user of the pod is not 65532, the image's" if {
	pods.spec
	not pods.spec.securityContext.runAsUser == 65532
}

deny contains "system calls are not filtered: securityContext.seccompProfile.type is not RuntimeDefault" if {
	pods.spec
	not pods.spec.securityContext.seccompProfile.type == "RuntimeDefault"
}

deny contains sprintf("the pod shares %s with its node", [what]) if {
	some what in ["hostNetwork", "hostPID", "hostIPC"]
	pods.spec[what] == true
}

deny contains sprintf("volume %s is of a kind that restricted pods may not have", [volume.name]) if {
	some volume in pods.spec.volumes
	kinds := {kind | volume[kind]; kind != "name"}
	count(kinds - {"configMap", "secret", "projected", "emptyDir", "downwardAPI"}) > 0
}

deny contains sprintf("container %s may get more rights than it starts with", [container.name]) if {
	some container in pods.containers
	not container.securityContext.allowPrivilegeEscalation == false
}

deny contains sprintf("container %s is privileged", [container.name]) if {
	some container in pods.containers
	container.securityContext.privileged == true
}

deny contains sprintf("container %s keeps capabilities: not all are dropped", [container.name]) if {
	some container in pods.containers
	not "ALL" in object.get(container, ["securityContext", "capabilities", "drop"], [])
}

deny contains sprintf("container %s adds capabilities", [container.name]) if {
	some container in pods.containers
	count(object.get(container, ["securityContext", "capabilities", "add"], [])) > 0
}

deny contains sprintf("container %s may write to its root file system", [container.name]) if {
	some container in pods.containers
	not container.securityContext.readOnlyRootFilesystem == true
}

deny contains sprintf("container %s overrides the user of the pod", [container.name]) if {
	some container in pods.containers
	some what in ["runAsUser", "runAsNonRoot", "seccompProfile"]
	object.get(container, ["securityContext", what], "no") != "no"
}

deny contains sprintf("container %s takes a port of its node", [container.name]) if {
	some container in pods.containers
	some port in container.ports
	port.hostPort
}
