"""Runs the services of `compose.yaml` as they stand there, in its order and by its conditions, with podman: for machines on which no engine
speaks compose. Then a flow is paused and resumed, a gate is stopped, and Prometheus is asked what it has seen of all that.

The model comes from compose's own loader, as JSON on standard input. Only what has to be is another here: names, so that nothing of somebody
else's is touched; ports of this machine, which are looked at and not bound; the image of the gates, which is the one that is tried; images
that are not ours (`stand_in.py`).
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import stand_in

ENGINE = "podman"

# Limits that this machine allows whoever starts containers.
LIMITS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]

# What a service may say: what is not listed was not carried over, and would be run otherwise than it stands there.
KNOWN = {
    "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "networks", "ports", "read_only", "restart",
    "security_opt", "stop_grace_period", "tmpfs", "user", "volumes", "entrypoint",
}  # fmt: skip

# What the file calls the gate's image where nothing else is said.
GATE = "flowgate:dev"

# No package of this machine's has it.
NOT_RUN = {"grafana"}


def fail(what: str) -> None:
    raise SystemExit(f"compose: {what}")


def podman(*args: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess:
    done = subprocess.run([ENGINE, *args], input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        fail(f"podman {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def seconds(duration: str) -> float:
    """As compose's loader writes them: 1m30s."""
    units, total, number = {"s": 1, "m": 60, "h": 3600}, 0.0, ""
    for character in duration:
        if character in units:
            total, number = total + float(number) * units[character], ""
        else:
            number += character
    return total


class Stack:
    """The services that run, and what has to be removed at the end."""

    def __init__(self, model: dict, images: dict[str, str], jars: Path):
        self.services = {name: service for name, service in model["services"].items() if name not in NOT_RUN}
        self.images, self.jars = images, jars
        self.name = f"flowgate-compose-{os.getpid()}"
        self.volumes = set()
        self.gateway = ""

    def container(self, service: str) -> str:
        return f"{self.name}-{service}"

    def start(self, name: str, service: dict) -> None:
        if unknown := service.keys() - KNOWN:
            fail(f"{name}: this check does not know {', '.join(sorted(unknown))}")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                fail(f"{name}: port {port['published']} is open to other machines")
        options = ["--detach", f"--name={self.container(name)}", f"--network={self.name}", f"--network-alias={name}", *LIMITS]
        options += [f"--cap-drop={capability}" for capability in service.get("cap_drop", [])]
        # Alone, as compose has it. Podman adds the machine's own nameservers, which do not know the services, and the DNS of the gates
        # believes whoever answers first.
        options += [f"--dns={self.gateway}"]
        # Podman has no value for it.
        options += [f"--security-opt={option.removesuffix(':true')}" for option in service.get("security_opt", [])]
        options += [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
        options += [f"--tmpfs={folder}" for folder in service.get("tmpfs", [])]
        options += ["--read-only"] if service.get("read_only") else []
        options += [f"--user={service['user']}"] if "user" in service else []
        options += [self.volume(volume) for volume in service.get("volumes", [])]
        options += stand_in.shown(self.jars) if name in self.images else []
        podman("run", *options, self.images.get(name, service["image"]), *(service.get("command") or []))

    def volume(self, volume: dict) -> str:
        mode = "ro" if volume.get("read_only") else "rw"
        if volume["type"] == "bind":
            if not Path(volume["source"]).exists():
                fail(f"{volume['source']} is not there")
            return f"--volume={volume['source']}:{volume['target']}:{mode}"
        named = f"{self.name}-{volume['source']}"
        self.volumes.add(named)
        return f"--volume={named}:{volume['target']}:{mode}"

    def await_condition(self, name: str, condition: str) -> None:
        """Blocks until a service is as another one wants it."""
        container, service = self.container(name), self.services[name]
        if condition == "service_completed_successfully":
            code = podman("wait", container).stdout.strip()
            if code != "0":
                fail(f"{name} ended with exit code {code}:\n{self.log(name)}")
        elif condition == "service_healthy":
            check = service["healthcheck"]
            kind, *test = check["test"]
            if kind != "CMD":
                fail(f"{name}: a health check by a shell")
            until = time.monotonic() + seconds(check["start_period"]) + check["retries"] * seconds(check["interval"])
            began = time.monotonic()
            while self.exec(name, *test, check=False).returncode != 0:
                if time.monotonic() > until:
                    fail(f"{name} is not healthy:\n{self.exec(name, *test, check=False).stderr}{self.log(name)}")
                time.sleep(seconds(check["start_interval"]))
            print(f"{name}: healthy after {time.monotonic() - began:.1f} s", flush=True)

    def up(self) -> None:
        podman("network", "create", self.name)
        (network,) = json.loads(podman("network", "inspect", self.name).stdout)
        self.gateway = network["subnets"][0]["gateway"]
        started: set[str] = set()
        while waiting := [name for name in self.services if name not in started]:
            ready = [name for name in waiting if self.services[name].get("depends_on", {}).keys() <= started]
            for name in ready:
                for other, how in self.services[name].get("depends_on", {}).items():
                    self.await_condition(other, how["condition"])
                self.start(name, self.services[name])
                started.add(name)
        for name, service in self.services.items():
            if "healthcheck" in service:
                self.await_condition(name, "service_healthy")

    def exec(self, service: str, *command: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess:
        interactive = ["--interactive"] if text is not None else []
        return podman("exec", *interactive, self.container(service), *command, check=check, text=text)

    def log(self, service: str) -> str:
        done = podman("logs", "--tail", "30", self.container(service), check=False)
        return done.stdout + done.stderr

    def address(self, service: str) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return podman("inspect", "--format", form, self.container(service)).stdout.strip()

    def delivered(self, count: int) -> list[str]:
        """The record ids of the first `count` events that went downstream; waits for them."""
        consumer = ["/opt/kafka/bin/kafka-console-consumer.sh", "--bootstrap-server", "kafka:9092", "--topic", "flow.records"]
        read = ["--from-beginning", "--isolation-level", "read_committed", "--max-messages", str(count), "--timeout-ms", "60000"]
        lines = self.exec("kafka", *consumer, *read).stdout.splitlines()
        return [json.loads(line)["record_id"] for line in lines if line.startswith("{")]

    def stop(self, service: str) -> None:
        """As compose does: the image's signal, and the time that the service is given."""
        grace = int(seconds(self.services[service]["stop_grace_period"]))
        podman("stop", "--time", str(grace), self.container(service))
        code = podman("inspect", "--format", "{{.State.ExitCode}}", self.container(service)).stdout.strip()
        if code != "0":
            fail(f"{service} was stopped, and ended with exit code {code}:\n{self.log(service)}")

    def down(self) -> None:
        containers = [self.container(name) for name in reversed(self.services)]
        podman("rm", "--force", "--volumes", "--time", "2", "--ignore", *containers, check=False)
        podman("volume", "rm", "--force", *self.volumes, check=False)
        podman("network", "rm", "--force", self.name, check=False)


def eventually(what: str, holds, patience: float = 90) -> None:
    until = time.monotonic() + patience
    while not holds():
        if time.monotonic() > until:
            fail(f"not within {patience:.0f} s: {what}")
        time.sleep(0.5)


def ask(url: str) -> dict:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def try_it(stack: Stack) -> None:
    """A flow is paused, held, resumed; one gate is enough; Prometheus sees both."""
    gate = lambda *args, **more: stack.exec("gate-2", "/flowgate", *args, **more).stdout  # noqa: E731
    checked = gate("topics", "check")
    if "breaks" in checked or "wanted" in checked:
        fail(f"the topics or brokers are not as they should be:\n{checked}")
    producer = ["/opt/kafka/bin/kafka-console-producer.sh", "--bootstrap-server", "kafka:9092", "--topic", "flow.enrollments"]
    keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"]
    events = "".join(f'welcome|{{"flow_id": "welcome", "record_id": "r{n}"}}\n' for n in range(100))
    stack.exec("kafka", *producer, *keyed, text='welcome|{"flow_id": "welcome", "record_id": "first"}\n')
    # A gate that is taking the partition over would read the pause before this event, and hold it too.
    if stack.delivered(1) != ["first"]:
        fail(f"not delivered: the first event\n{stack.log('gate-1')}{stack.log('gate-2')}")
    gate("pause", "welcome", "--for", "1h", "--timeout", "60s")
    stack.exec("kafka", *producer, *keyed, text=events)
    eventually("100 events are held", lambda: json.loads(gate("flow", "welcome", "-o", "json"))["held"]["total"] == 100)
    print("100 events are held", flush=True)
    prometheus = f"http://{stack.address('prometheus')}:9090/api/v1"
    up = f"{prometheus}/query?query=sum(up%7Bjob%3D~%22.*flowgate.*%22%7D)"
    value = lambda url: (ask(url).get("data", {}).get("result") or [{}])[0].get("value", [0, ""])[1]  # noqa: E731
    eventually("Prometheus reads both gates", lambda: value(up) == "2")
    held = f"{prometheus}/query?query=sum(flowgate_held_events)"
    eventually("Prometheus knows what is held", lambda: value(held) == "100")
    groups = ask(f"{prometheus}/rules").get("data", {}).get("groups", [])
    rules = [rule for group in groups for rule in group["rules"]]
    if not rules or any(rule["health"] == "err" for rule in rules):
        fail(f"Prometheus' rules: {json.dumps(rules)[:2000]}")
    print(f"Prometheus reads both gates and {len(rules)} rules", flush=True)
    stack.stop("gate-1")
    gate("resume", "welcome", "--wait", "--timeout", "60s")
    ids = stack.delivered(101)
    if ids != ["first", *(f"r{n}" for n in range(100))]:
        fail(f"delivered: {ids}")
    print("gate-1 stopped with exit code 0; gate-2 delivered all 101 events in order", flush=True)
    stack.stop("gate-2")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gate", required=True, help="the image of the gates")
    arguments.add_argument("--jars", required=True, type=Path, help="the folder with Kafka's jars")
    arguments.add_argument("--work", required=True, type=Path, help="a folder for what the stand-ins are made of")
    given = arguments.parse_args()
    model = json.load(sys.stdin)
    for service in model["services"].values():
        if service["image"] == GATE:
            service["image"] = given.gate
    stack = Stack(model, stand_in.build(given.work, ENGINE), given.jars.resolve())
    try:
        stack.up()
        try_it(stack)
    finally:
        stack.down()


main()
