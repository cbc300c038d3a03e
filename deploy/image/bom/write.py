"""Writes what the image says of its parts: `sbom.cdx.json`, in CycloneDX 1.6, and `THIRD-PARTY-LICENSES.txt`."""

import argparse
import os
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import parts

SCHEMA = SchemaVersion.V1_6


def bill(crates: list[parts.Crate], libraries: list[parts.Library], binary: str) -> str:
    """As a document. `binary`: the SHA-256 of what it is about."""
    licenses = LicenseFactory()
    of_crates = {crate.id: component(crate, licenses) for crate in crates}
    of_libraries = [(library, component_of_c(library, licenses)) for library in libraries]
    root, *others = of_crates.values()
    root.type = ComponentType.APPLICATION
    root.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=binary))
    made = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    # The same for the same binary, as everything here.
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"flowgate {binary}"))
    bom.metadata.timestamp = made
    bom.metadata.component = root
    bom.components.update(others, (c for _, c in of_libraries))
    for crate in crates:
        needs = [of_crates[id] for id in crate.dependencies]
        needs += [c for library, c in of_libraries if library.crate == crate.name]
        if crate is crates[0]:
            needs += [c for library, c in of_libraries if library.crate is None]
        bom.register_dependency(of_crates[crate.id], needs)
    document = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=1)
    if wrong := JsonStrictValidator(SCHEMA).validate_str(document):
        raise SystemExit(f"the SBOM does not follow CycloneDX {SCHEMA.to_version()}: {wrong}")
    return document + "\n"


def component(crate: parts.Crate, licenses: LicenseFactory) -> Component:
    purl = PackageURL("cargo", None, crate.name, crate.version)
    named = [licenses.make_from_string(crate.license)] if crate.license else []
    return Component(
        name=crate.name,
        version=crate.version,
        bom_ref=str(purl),
        purl=purl,
        licenses=named,
        description=crate.description or None,
    )


def component_of_c(library: parts.Library, licenses: LicenseFactory) -> Component:
    purl = PackageURL.from_string(library.purl)
    named = [licenses.make_from_string(library.license)]
    return Component(name=library.name, version=library.version, bom_ref=str(purl), purl=purl, cpe=library.cpe, licenses=named)


def notices(crates: list[parts.Crate], libraries: list[parts.Library]) -> str:
    """The licences of all others' code, each text once, and whose it is."""
    users, none = defaultdict(list), []
    # What comes from this repository is under LICENSE.
    for crate in (crate for crate in crates if crate.is_foreign):
        texts = [path for path in sorted(crate.folder.iterdir()) if is_license(path)]
        note(users, f"{crate.name} {crate.version} ({crate.license})", texts, none)
    for library in libraries:
        note(users, f"{library.name} {library.version} ({library.license})", list(library.licenses), none)
    rule = "=" * 100
    pieces = [
        "What flowgate is made of beside its own code, and under which licences. sbom.cdx.json has the list for machines.\n"
    ]
    pieces += [f"{rule}\n" + "\n".join(names) + f"\n{rule}\n{text}\n" for text, names in users.items()]
    if none:
        pieces.append(f"{rule}\nThese come without a text of their licence:\n" + "\n".join(none) + "\n")
    return "\n".join(pieces)


def is_license(path: Path) -> bool:
    return path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"))


def note(users: dict[str, list[str]], name: str, texts: list[Path], none: list[str]) -> None:
    for path in texts:
        text = path.read_text(errors="replace").strip() + "\n"
        if name not in users[text]:
            users[text].append(name)
    if not texts:
        none.append(name)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--target", required=True, help="what the binary was built for")
    arguments.add_argument("--binary", required=True, help="the binary's SHA-256")
    arguments.add_argument("--out", required=True, type=Path, help="the folder to write to")
    given = arguments.parse_args()
    crates, folders = parts.crates(given.target)
    libraries = parts.libraries(folders, given.target)
    (given.out / "sbom.cdx.json").write_text(bill(crates, libraries, given.binary))
    (given.out / "THIRD-PARTY-LICENSES.txt").write_text(notices(crates, libraries))
    print(f"SBOM: {len(crates) - 1} crates, {len(libraries)} libraries")


main()
