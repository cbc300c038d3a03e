"""Images for the services that are not ours, made of what this machine has: where no registry can be reached, `compose.yaml` is run all the same.

They hold no program: Java, Prometheus and Kafka's jars are this machine's, shown to the containers. Kafka's settings are made by Kafka's own
code, which its image calls too, so that every variable of `compose.yaml` is read as it would be there.
"""

import subprocess
from pathlib import Path

IMAGE = "localhost/flowgate-compose-stand-in"

# What is shown of this machine.
SHOWN = ["/usr", "/etc/alternatives", "/etc/java-17-openjdk"]

JAVA = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml -cp '/opt/kafka/libs/*'"

# Where the image of Kafka has them, and what they stand for.
SCRIPTS = {
    "etc/kafka/docker/run": f"""{JAVA} kafka.docker.KafkaDockerWrapper setup \
--default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config || exit 1
exec {JAVA} $KAFKA_HEAP_OPTS kafka.Kafka /opt/kafka/config/server.properties""",
    "opt/kafka/bin/kafka-broker-api-versions.sh": f'exec {JAVA} org.apache.kafka.tools.BrokerApiVersionsCommand "$@"',
    "opt/kafka/bin/kafka-console-producer.sh": f'exec {JAVA} org.apache.kafka.tools.ConsoleProducer "$@"',
    "opt/kafka/bin/kafka-console-consumer.sh": f'exec {JAVA} org.apache.kafka.tools.consumer.ConsoleConsumer "$@"',
}

LOG = """Configuration:
  Appenders:
    Console: {name: err, target: SYSTEM_ERR, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: warn, AppenderRef: {ref: err}}
"""

# As the images of Kafka and of Prometheus say.
CONTAINERFILE = """FROM scratch
COPY rootfs/ /
COPY --chown=1000:1000 kafka/ /
COPY --chown=65534:65534 prometheus/ /
ENV PATH=/usr/bin
"""

IMAGES = {
    "kafka": 'USER 1000:1000\nVOLUME ["/var/lib/kafka/data"]\nCMD ["/etc/kafka/docker/run"]\n',
    "prometheus": 'USER 65534\nVOLUME ["/prometheus"]\nENTRYPOINT ["/usr/bin/prometheus"]\n',
}


def build(folder: Path, engine: str) -> dict[str, str]:
    """The image for each service that is not ours."""
    for name in (
        "usr",
        "etc/kafka/docker",
        "etc/alternatives",
        "etc/java-17-openjdk",
        "etc/prometheus",
        "mnt/shared/config",
        "opt/kafka/libs",
        "tmp",
    ):
        (folder / "rootfs" / name).mkdir(parents=True, exist_ok=True)
    (folder / "rootfs/tmp").chmod(0o1777)
    for link in ("bin", "lib", "lib64"):
        (folder / "rootfs" / link).unlink(missing_ok=True)
        (folder / "rootfs" / link).symlink_to(f"usr/{link}")
    for name, body in SCRIPTS.items():
        script = folder / "rootfs" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    (folder / "rootfs/etc/kafka/docker/log4j2.yaml").write_text(LOG)
    for name in ("kafka/opt/kafka/config", "kafka/var/lib/kafka/data", "prometheus/prometheus"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    built = {}
    for service, last in IMAGES.items():
        file = folder / f"{service}.Containerfile"
        file.write_text(CONTAINERFILE + last)
        built[service] = f"{IMAGE}:{service}"
        command = [engine, "build", "--quiet", "--format", "docker", "--tag", built[service], "--file", str(file), str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return built


def shown(jars: Path) -> list[str]:
    """The options that show this machine's programs to a container."""
    return [f"--volume={path}:{path}:ro" for path in SHOWN if Path(path).exists()] + [f"--volume={jars}:/opt/kafka/libs:ro"]
