"""Judges rendered manifests by strict schemas: a field that the API server does not know is a finding.

usage: schemas.py CRDS RENDERED

Kinds of Kubernetes are judged by the schemas of its oldest and its newest version that the manifests are meant for; others by the
CustomResourceDefinitions in the folder CRDS.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

import documents

# `unhealthyPodEvictionPolicy` and all else that the manifests use is in force from 1.27 on, as the chart's kubeVersion says.
VERSIONS = ["1.27", "1.37"]


def strict(schema):
    """A copy of an openAPIV3Schema that is JSON Schema, and where an object has no properties but those it lists."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: value if key in ("enum", "default", "required") else strict(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        copy.pop("type", None)
        copy.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    # Not strict where the definition says so, or says nothing of what is within, and within `anyOf` and the like, which repeat parts.
    closed = "properties" in schema and isinstance(schema["properties"], dict) and schema.get("type") == "object"
    if closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        copy.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(copy.get("type"), str):
        copy["type"] = [copy["type"], "null"]
    return copy


def definitions(folder):
    """`{(apiVersion, kind): validator}`"""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        spec = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            if not version["served"]:
                continue
            schema = strict(version["schema"]["openAPIV3Schema"])
            # Of every resource the API server itself knows `metadata`.
            schema["properties"]["metadata"] = {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253},
                    "namespace": {"type": "string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
                    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            }
            schema["required"] = sorted({"apiVersion", "kind", "metadata", *schema.get("required", [])})
            kind = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[kind] = jsonschema.Draft202012Validator(schema)
    return found


def problems(document, custom):
    kind = (document.get("apiVersion"), document.get("kind"))
    if kind in custom:
        for error in custom[kind].iter_errors(document):
            yield f"{error.json_path}: {error.message}"
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {error.json_path}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"Kubernetes {version}: no schema for {kind}"


def main():
    custom = definitions(sys.argv[1])
    judged, findings, count = {}, [], 0
    for file, document in documents.every(sys.argv[2]):
        count += 1
        # Most renderings have most documents in common.
        text = json.dumps(document, sort_keys=True)
        if text not in judged:
            judged[text] = list(problems(document, custom))
        findings += [f"{file}: {documents.name(document)}: {problem}" for problem in judged[text]]
    documents.finish(f"documents ({len(judged)} different ones) by the schemas of Kubernetes {', '.join(VERSIONS)} and "
                     f"{len(custom)} definitions", count, findings)


main()
