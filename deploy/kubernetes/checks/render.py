"""Renders every overlay, and the chart with the values of every case in cases.yaml.

usage: render.py BIN OUT

OUT gets NAME.yaml of each; `OUT/unscored` lists those that kube-score is not to judge.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import yaml

import documents

HERE = pathlib.Path(__file__).parent
OVERLAYS = HERE.parent / "overlays"
CHART = HERE.parents[1] / "helm" / "flowgate"
# What `helm template` takes for the cluster's version. It has none of its own when it was not built by its makers.
KUBERNETES = "1.37.0"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def overlay(programs, out, path):
    done = run(f"{programs}/kustomize", "build", str(path))
    if done.returncode:
        return [f"overlay {path.name}: {done.stderr.strip()}"]
    (out / f"overlay-{path.name}.yaml").write_text(done.stdout)
    return []


def case(programs, out, case):
    values = {**case["values"]}
    values["config"] = {"brokers": "kafka:9092", **values.get("config", {})}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        release = case.get("release", "gates")
        done = run(f"{programs}/helm", "template", release, str(CHART), "--namespace", "flows", "--kube-version",
                   KUBERNETES, "--values", file.name)
    said, wanted = done.stdout + done.stderr, case.get("refused")
    if wanted is not None:
        if done.returncode == 0:
            return [f"case {case['name']}: is rendered, and should have been refused ({wanted})"]
        return [] if wanted in done.stderr else [f"case {case['name']}: is refused without `{wanted}`: {done.stderr}"]
    if done.returncode:
        return [f"case {case['name']}: {said.strip()}"]
    path = out / f"chart-{case['name']}.yaml"
    path.write_text(done.stdout)
    kinds = {document["kind"] for document in documents.read(path)}
    missing, surplus = set(case.get("with", [])) - kinds, kinds & set(case.get("without", []))
    return [f"case {case['name']}: {what} {sorted(those)}" for what, those in (("lacks", missing), ("has", surplus)) if those]


def main():
    programs, out = sys.argv[1], pathlib.Path(sys.argv[2])
    overlays = sorted(path.parent for path in OVERLAYS.glob("*/kustomization.yaml"))
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    # The values that the README shows.
    shown = (HERE.parent / "README.md").read_text(encoding="utf-8").split("```yaml\n")[1:]
    cases += [{"name": f"readme-{n}", "values": yaml.safe_load(block.split("```")[0])} for n, block in enumerate(shown, 1)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda path: overlay(programs, out, path), overlays))
        found += pool.map(lambda one: case(programs, out, one), cases)
    (out / "unscored").write_text("".join(f"chart-{one['name']}\n" for one in cases if "unscored" in one))
    refused = sum("refused" in one for one in cases)
    documents.finish(f"{len(overlays)} overlays, the chart with {len(cases) - refused} sets of values that are taken and "
                     f"{refused} that are refused", len(found), [finding for part in found for finding in part])


main()
