# Where the pods and containers of a manifest are: for the other policies.
package flowgate.pods

import rego.v1

# The pod that a StatefulSet, a Job and the like make.
spec := input.spec.template.spec if input.kind in {"StatefulSet", "Deployment", "DaemonSet", "Job"}

containers := array.concat(spec.containers, object.get(spec, "initContainers", []))
