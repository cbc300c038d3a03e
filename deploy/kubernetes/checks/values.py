"""Keeps the chart's README.md and values.schema.json in step with values.yaml.

usage: values.py [--write]

README.md has a table of all values, made from the comments `# -- ...` in values.yaml. This writes it:

    target/tools/kubernetes/venv/bin/python deploy/kubernetes/checks/values.py --write
"""

import json
import pathlib
import re
import sys

import yaml

import documents

CHART = pathlib.Path(__file__).parents[2] / "helm" / "flowgate"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


def described(text):
    """`{path: description}` of every key with a comment `# --` before it."""
    found, way, comment = {}, [], None
    for line in text.splitlines():
        if match := re.match(r"\s*# -- (.*)", line):
            comment = match[1]
        elif match := re.match(r"\s*# ?(.*)", line):
            comment = f"{comment} {match[1]}" if comment else None
        elif match := re.match(r"( *)([A-Za-z-]+):", line):
            way = way[: len(match[1]) // 2] + [match[2]]
            if comment:
                found[".".join(way)] = comment
            comment = None
    return found


def leaves(values, known, before=""):
    """`(path, value)` of what is described, and of values that nothing describes."""
    for key, value in values.items():
        path = before + key
        if path in known or not isinstance(value, dict) or not value:
            yield path, value
        else:
            yield from leaves(value, known, f"{path}.")


def table(values, known):
    rows = ["| value | default | |", "| --- | --- | --- |"]
    for path, value in leaves(values, known):
        default = json.dumps(value, ensure_ascii=False)
        rows.append(f"| `{path}` | `{default}` | {known.get(path, '')} |")
    return "\n".join(rows) + "\n"


def unlike(values, schema, before=""):
    """Values that the schema does not know, and the other way round; open parts of the schema are left alone."""
    properties = schema.get("properties")
    if properties is None:
        return
    if schema.get("additionalProperties") is not False:
        yield f"values.schema.json: {before or 'the whole'} takes unknown values (additionalProperties is not false)"
    for key in sorted(values.keys() | properties.keys()):
        path = before + key
        if key not in properties:
            yield f"values.schema.json lacks {path}"
        elif key not in values:
            # Settings that are left out have the gate's own defaults; `global` is Helm's.
            if not path.startswith("config.") and path not in ("global", "updateStrategy.partition"):
                yield f"values.yaml lacks {path}"
        elif isinstance(values[key], dict):
            yield from unlike(values[key], properties[key], f"{path}.")


def main():
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values, known = yaml.safe_load(text), described(text)
    readme = CHART / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    there, after = rest.split(END)
    wanted = table(values, known)
    if sys.argv[1:] == ["--write"]:
        readme.write_text(before + BEGIN + wanted + END + after, encoding="utf-8")
        there = wanted
    findings = [f"values.yaml says nothing of {path}" for path, _ in leaves(values, known) if path not in known]
    if there != wanted:
        ours, theirs = wanted.splitlines(), there.splitlines()
        findings += [f"README.md lacks: {row}" for row in ours if row not in theirs]
        findings += [f"README.md has: {row}" for row in theirs if row not in ours]
        findings.append("README.md has another table than values.yaml makes: run checks/values.py --write")
    findings += unlike(values, json.loads((CHART / "values.schema.json").read_text(encoding="utf-8")))
    documents.finish("values in the README and in the schema of the chart", len(known), findings)


main()
