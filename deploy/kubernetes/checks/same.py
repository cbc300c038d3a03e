"""Compares what is written twice: the topics and rights of the chart with those of the overlay `strimzi`.

usage: same.py RENDERED

Tests of the program (src/cli/tests/strimzi.rs) compare the overlay's topics with those that `flowgate topics create` makes.
"""

import pathlib
import sys

import documents


def topics(rendered):
    found = {}
    for document in rendered:
        if document["kind"] == "KafkaTopic":
            spec = dict(document["spec"])
            name = spec.pop("topicName", document["metadata"]["name"])
            spec["config"] = {key: str(value) for key, value in spec["config"].items()}
            found[name] = spec
    return found


def rights(rendered):
    acls = [acl for document in rendered if document["kind"] == "KafkaUser" for acl in document["spec"]["authorization"]["acls"]]
    return {f"{acl['resource']['type']} {acl['resource']['name']} ({acl['resource']['patternType']})": sorted(acl["operations"])
            for acl in acls}


def main():
    folder = pathlib.Path(sys.argv[1])
    overlay, chart = documents.read(folder / "overlay-strimzi.yaml"), documents.read(folder / "chart-everything.yaml")
    findings, count = [], 0
    for what, of in (("topic", topics), ("right", rights)):
        one, other = of(overlay), of(chart)
        count += len(one)
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                findings.append(f"{what} {name}: the overlay has {one.get(name)}, the chart {other.get(name)}")
    documents.finish("topics and rights of Strimzi, in the overlay and in the chart", count, findings)


main()
