# Secrets are files. What stands in the environment is shown by `kubectl describe`, inherited by every child, and in crash dumps.
package flowgate.secrets

import rego.v1

import data.flowgate.pods

is_secret(name) if {
	some word in ["password", "passwd", "secret", "token", "credential", "private", "jaas", ".pem"]
	contains(lower(name), word)
}

deny contains sprintf("container %s: variable %s comes from a Secret", [container.name, variable.name]) if {
	some container in pods.containers
	some variable in container.env
	variable.valueFrom.secretKeyRef
}

deny contains sprintf("container %s: all of Secret %s becomes variables", [container.name, source.secretRef.name]) if {
	some container in pods.containers
	some source in container.envFrom
	source.secretRef
}

deny contains sprintf("container %s: variable %s looks like a secret", [container.name, variable.name]) if {
	some container in pods.containers
	some variable in container.env
	is_secret(variable.name)
}

deny contains sprintf("key %s of the ConfigMap looks like a secret", [key]) if {
	input.kind == "ConfigMap"
	some key, _ in input.data
	is_secret(key)
}

# Settings in a file: a name, and `=` behind it. The whole text is looked at, for some readers of Rego leave `\n` and `\"` in it.
deny contains sprintf("a setting in %s of the ConfigMap looks like a secret", [key]) if {
	input.kind == "ConfigMap"
	some key, text in input.data
	regex.match(`(password|passwd|secret|token|credential|private|jaas|\.pem)[a-z_."\\]* *=`, lower(text))
}

deny contains "a Secret is among the manifests, which lie in a repository" if input.kind == "Secret"

deny contains sprintf("volume %s: every user of the container may read the Secret", [volume.name]) if {
	some volume in pods.spec.volumes
	some kind in ["secret", "projected"]
	volume[kind]

	# Kubernetes' default is 0644. 288 is 0440, and 256 is 0400.
	not object.get(volume[kind], "defaultMode", 420) in {288, 256}
}
