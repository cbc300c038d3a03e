"""Has the program itself judge the settings that each rendering gives it: `flowgate config check`, with the files and variables that the
container would have.

usage: settings.py FLOWGATE RENDERED
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import documents

OVERLAYS = pathlib.Path(__file__).parent.parent / "overlays"
# What a pod knows of itself.
FIELDS = {"metadata.name": "flowgate-0", "metadata.namespace": "flows"}


def certificate(folder):
    """Something that librdkafka can open: it reads certificates before it connects."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=check", "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)


def variables(container, maps):
    found = {}
    for source in container.get("envFrom", []):
        found.update(maps[source["configMapRef"]["name"]])
    for variable in container["env"]:
        value = variable.get("value")
        if value is None:
            value = FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        found[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
    return found


def place(text, folder):
    """Paths of certificates and keys, as they are called here."""
    text = re.sub(r"/[\w./-]+/[\w.-]*key", f"{folder}/key", text)
    return re.sub(r"/[\w./-]+/[\w.-]+\.(crt|pem)", f"{folder}/certificate", text)


def judge(program, gate, maps, folder):
    pod = gate["spec"]["template"]["spec"]
    container = pod["containers"][0]
    environment = {name: place(value, folder) for name, value in variables(container, maps).items()}
    config = next(volume for volume in pod["volumes"] if volume["name"] == "config")
    if "secret" in config:
        text = (OVERLAYS / "secured" / "example.toml").read_text()
    else:
        text = maps[config["configMap"]["name"]]["flowgate.toml"]
    file = folder / "flowgate.toml"
    file.write_text(place(text, folder))
    file.chmod(0o440)
    environment["FLOWGATE_CONFIG"] = str(file)
    done = subprocess.run([program, "config", "check"], env=environment, capture_output=True, text=True, check=False)
    file.unlink()
    said = (done.stdout + done.stderr).strip()
    return [] if done.returncode == 0 and said == "the settings are fine" else [said or f"exit code {done.returncode}"]


def main():
    program, findings, count = sys.argv[1], [], 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        certificate(folder)
        for path in sorted(pathlib.Path(sys.argv[2]).glob("*.yaml")):
            rendered = documents.read(path)
            maps = {one["metadata"]["name"]: one["data"] for one in rendered if one["kind"] == "ConfigMap"}
            for gate in (one for one in rendered if one["kind"] == "StatefulSet"):
                count += 1
                findings += [f"{path.name}: {what}" for what in judge(program, gate, maps, folder)]
    documents.finish("settings, by `flowgate config check`", count, findings)


main()
