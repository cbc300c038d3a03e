"""Reading rendered manifests."""

import pathlib
import sys

import yaml


class Strict(yaml.CSafeLoader):
    """As PyYAML's, but a key that comes twice is an error: the first value would be lost silently."""


def _mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"twice in one mapping: {sorted(twice)}", node.start_mark)
    return yaml.CSafeLoader.construct_mapping(loader, node, deep)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, lambda loader, node: _mapping(loader, node, True))


def read(path):
    """The documents of a file, without empty ones."""
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.load_all(file, Strict) if document]


def every(folder):
    """`(file name, document)` of every *.yaml below a folder."""
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for document in read(path):
            yield path.name, document


def name(document):
    return f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"


def finish(what, count, findings):
    """Prints the findings and ends the script: 1 if there are some, or if nothing was looked at."""
    for finding in findings:
        print(f"  {finding}")
    if count == 0:
        findings = ["nothing was looked at"]
        print("  nothing was looked at")
    print(f"{what}: {count}, findings: {len(findings)}")
    sys.exit(1 if findings else 0)
