"""Judges rendered manifests by our policies, and the policies by manifests that they must refuse.

usage: policies.py RENDERED
"""

import copy
import json
import pathlib
import re
import sys

import regopy
import yaml

import documents

POLICIES = pathlib.Path(__file__).parent.parent / "policies"


class Judge:
    def __init__(self):
        self.rules = {}
        self.interpreter = regopy.Interpreter()
        for path in sorted(POLICIES.glob("*.rego")):
            text = path.read_text(encoding="utf-8")
            self.rules[path.stem] = len(re.findall(r"^deny contains ", text, re.M))
            self.interpreter.add_module(path.stem, text)
        self.judged = {}

    def judge(self, document):
        """`[(policy, message)]`"""
        text = json.dumps(document, sort_keys=True)
        if text not in self.judged:
            self.interpreter.set_input(document)
            answer = json.loads(str(self.interpreter.query("data.flowgate")))["expressions"][0]
            self.judged[text] = [(policy, message) for policy in sorted(answer) for message in answer[policy].get("deny", [])]
        return self.judged[text]


def changed(document, path, value):
    """A copy with one change; `None` takes it away."""
    document = copy.deepcopy(document)
    *way, last = path.strip("/").split("/")
    at = document
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if isinstance(at, list):
        at[int(last) if last != "-" else len(at) : None if last == "-" else int(last) + 1] = [value]
    elif value is None:
        del at[last]
    else:
        at[last] = value
    return document


def refused(judge, rendered):
    """What is wrong with the policies: each rule has a manifest that it must refuse."""
    first = {}
    for document in rendered:
        first.setdefault(document["kind"], document)
    cases = yaml.safe_load((POLICIES / "refused.yaml").read_text())
    for case in cases:
        found = judge.judge(changed(first[case["kind"]], case["path"], case.get("value")))
        where = f"refused.yaml: {case['kind']}{case['path']}"
        if not any(policy == case["policy"] and case["says"] in message for policy, message in found):
            yield f"{where}: policy {case['policy']} does not say `{case['says']}`: {found}"
        others = [policy for policy, _ in found if policy != case["policy"]]
        if others:
            yield f"{where}: refused by {others} too"
    for policy, rules in judge.rules.items():
        mine = sum(case["policy"] == policy for case in cases)
        if mine < rules:
            yield f"{policy}.rego has {rules} rules, and refused.yaml only {mine} manifests for them"


def main():
    judge, findings, rendered = Judge(), [], []
    for file, document in documents.every(sys.argv[1]):
        rendered.append(document)
        findings += [f"{file}: {documents.name(document)}: {policy}: {message}" for policy, message in judge.judge(document)]
    findings += refused(judge, rendered)
    documents.finish(f"documents by {sum(judge.rules.values())} rules of policies/, each tried with a manifest that it must "
                     "refuse", len(rendered), findings)


main()
