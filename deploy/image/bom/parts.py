"""What the static binary is made of: the crates that are compiled into it, and the C libraries that some of them carry as source.

Asked of cargo and read from the sources that were compiled, so that nothing has to be kept in step by hand.
"""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Crate:
    id: str
    name: str
    version: str
    license: str
    description: str
    folder: Path
    dependencies: tuple[str, ...]
    # From a registry, not from this repository.
    is_foreign: bool


@dataclass(frozen=True)
class Library:
    """Code that no crate's version tells."""

    name: str
    version: str
    license: str
    purl: str
    cpe: str | None
    # The crate that links it, and the files with its licence.
    crate: str | None
    licenses: tuple[Path, ...]


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(target: str) -> tuple[list[Crate], dict[str, Path]]:
    """Ours first; and the folder of every package there is, for some C sources lie in one that is only built with."""
    said = run("cargo", "metadata", "--locked", "--format-version", "1", "--features", "static", "--filter-platform", target)
    metadata = json.loads(said)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    folders = {package["name"]: Path(package["manifest_path"]).parent for package in packages.values()}

    def linked(node: dict) -> list[str]:
        """What of it is linked: not what only builds or tests it, and not what runs in the compiler."""
        normal = [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        return [id for id in normal if not any("proc-macro" in part["kind"] for part in packages[id]["targets"])]

    found: dict[str, Crate] = {}
    waiting = [metadata["resolve"]["root"]]
    while waiting:
        id = waiting.pop(0)
        if id in found:
            continue
        package, needs = packages[id], linked(nodes[id])
        license = " OR ".join(part.strip() for part in (package["license"] or "").split("/"))
        folder = Path(package["manifest_path"]).parent
        description = (package["description"] or "").strip()
        foreign = package["source"] is not None
        found[id] = Crate(id, package["name"], package["version"], license, description, folder, tuple(sorted(needs)), foreign)
        waiting.extend(needs)
    root, *others = found.values()
    return [root, *sorted(others, key=lambda crate: (crate.name, crate.version))], folders


def libraries(folders: dict[str, Path], target: str) -> list[Library]:
    mimalloc = folders["libmimalloc-sys"] / "c_src/mimalloc/v3"
    librdkafka = folders["rdkafka-sys"] / "librdkafka"
    openssl, zlib = folders["openssl-src"] / "openssl", folders["libz-sys"] / "src/zlib"
    zstd = folders["zstd-sys"] / "zstd"
    of_openssl = read(openssl / "VERSION.dat", r"MAJOR=(\d+)\nMINOR=(\d+)\nPATCH=(\d+)")
    of_zlib = read(zlib / "zlib.h", r'#define ZLIB_VERSION "([\d.]+)"')
    of_zstd = read(
        zstd / "lib/zstd.h", r"VERSION_MAJOR +(\d+)\n#define ZSTD_VERSION_MINOR +(\d+)\n#define ZSTD_VERSION_RELEASE +(\d+)"
    )
    of_lz4 = read(
        librdkafka / "src/lz4.h",
        r"VERSION_MAJOR +(\d+) .*\n#define LZ4_VERSION_MINOR +(\d+) .*\n#define LZ4_VERSION_RELEASE +(\d+)",
    )
    # Two digits each: 0x020c01ff is 2.12.1.
    number = read(librdkafka / "src/rdkafka.h", r"#define RD_KAFKA_VERSION +0x([0-9a-f]{6})ff")
    of_librdkafka = ".".join(str(int(number[at : at + 2], 16)) for at in (0, 2, 4))
    # One digit and twice two: 30302 is 3.3.2.
    number = int(read(mimalloc / "include/mimalloc.h", r"#define MI_MALLOC_VERSION +(\d{5})"))
    of_mimalloc = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    also = sorted(librdkafka.glob("LICENSE*"))
    return [
        Library(
            "OpenSSL",
            of_openssl,
            "Apache-2.0",
            f"pkg:generic/openssl@{of_openssl}",
            cpe("openssl", "openssl", of_openssl),
            "openssl-sys",
            (openssl / "LICENSE.txt",),
        ),
        Library(
            "librdkafka",
            of_librdkafka,
            "BSD-2-Clause",
            f"pkg:github/confluentinc/librdkafka@v{of_librdkafka}",
            None,
            "rdkafka-sys",
            tuple(also),
        ),
        Library(
            "lz4",
            of_lz4,
            "BSD-2-Clause",
            f"pkg:github/lz4/lz4@v{of_lz4}",
            cpe("lz4_project", "lz4", of_lz4),
            "rdkafka-sys",
            (librdkafka / "LICENSE.lz4",),
        ),
        Library(
            "mimalloc",
            of_mimalloc,
            "MIT",
            f"pkg:github/microsoft/mimalloc@v{of_mimalloc}",
            None,
            "libmimalloc-sys",
            (mimalloc / "LICENSE",),
        ),
        Library(
            "zlib",
            of_zlib,
            "Zlib",
            f"pkg:github/madler/zlib@v{of_zlib}",
            cpe("zlib", "zlib", of_zlib),
            "libz-sys",
            (zlib / "LICENSE",),
        ),
        Library(
            "zstd",
            of_zstd,
            "BSD-3-Clause",
            f"pkg:github/facebook/zstd@v{of_zstd}",
            cpe("facebook", "zstandard", of_zstd),
            "zstd-sys",
            (zstd / "LICENSE",),
        ),
        standard_library(),
        c_library(target),
    ]


def standard_library() -> Library:
    version = run("rustc", "--version").split()[1]
    documents = Path(run("rustc", "--print", "sysroot").strip()) / "share/doc/rust/licenses"
    licenses = tuple(documents / name for name in ("MIT.txt", "Apache-2.0.txt") if (documents / name).exists())
    return Library(
        "rust-std",
        version,
        "MIT OR Apache-2.0",
        f"pkg:github/rust-lang/rust@{version}",
        cpe("rust-lang", "rust", version),
        None,
        licenses,
    )


def c_library(target: str) -> Library:
    """The one that Rust brings and links. It has its version as a text."""
    archive = Path(run("rustc", "--print", "target-libdir", "--target", target).strip()) / "self-contained/libc.a"
    found = re.search(rb"\0(1\.\d+\.\d+)\0", archive.read_bytes())
    if not found:
        raise SystemExit(f"{archive} does not tell which musl it is")
    version = found.group(1).decode()
    license = Path("/usr/share/doc/musl/copyright")
    return Library("musl", version, "MIT", f"pkg:generic/musl@{version}", cpe("musl-libc", "musl", version), None, (license,))


def cpe(vendor: str, product: str, version: str) -> str:
    """Scanners look up faults in C libraries by this."""
    return f"cpe:2.3:a:{vendor}:{product}:{version}:*:*:*:*:*:*:*"


def read(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text())
    if not found:
        raise SystemExit(f"{file} does not tell its version as it used to: mend the pattern in {__file__}")
    return ".".join(found.groups())
