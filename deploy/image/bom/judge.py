"""Whether the SBOM of an image follows its schema, is about the binary beside it, and has what everybody looks for in it."""

import hashlib
import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

WANTED = {"OpenSSL", "librdkafka", "lz4", "mimalloc", "musl", "zlib", "zstd", "rust-std", "axum", "rdkafka", "tokio"}
# What only builds or tests the binary is no part of it.
UNWANTED = {"proptest", "cc", "serde_derive", "jsonschema", "openssl-src"}

folder = Path(sys.argv[1])
text = (folder / "sbom.cdx.json").read_text()
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if wrong:
    raise SystemExit(f"the SBOM does not follow CycloneDX 1.6: {wrong}")
document = json.loads(text)
names = {component["name"] for component in document["components"]}
if WANTED - names or UNWANTED & names:
    raise SystemExit(f"the SBOM lacks {sorted(WANTED - names)}, and has {sorted(UNWANTED & names)}")
bare = [c["name"] for c in document["components"] if not c.get("licenses") or not c.get("version") or not c.get("purl")]
if bare:
    raise SystemExit(f"no licence, version or purl: {bare}")
root = document["metadata"]["component"]
binary = hashlib.sha256((folder / "flowgate").read_bytes()).hexdigest()
if [hash["content"] for hash in root["hashes"]] != [binary]:
    raise SystemExit(f"the SBOM is about another binary than {binary}")
print(f"SBOM: CycloneDX 1.6, {len(names)} parts, flowgate {root['version']}")
