# Nothing here talks to the API server, so nobody who breaks in finds a token for it.
package flowgate.token

import rego.v1

import data.flowgate.pods

deny contains "the token of the service account is mounted" if {
	pods.spec
	not pods.spec.automountServiceAccountToken == false
}

deny contains "the token of the service account is mounted wherever a pod does not say no" if {
	input.kind == "ServiceAccount"
	not input.automountServiceAccountToken == false
}

deny contains sprintf("a %s gives rights in the cluster, and the gate needs none", [input.kind]) if {
	input.kind in {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
}
