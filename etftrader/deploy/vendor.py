"""Vendored front-end files: fetch them again by `npm pack`, or check the ones that are here.

Run by whoever updates a library: `python -m etftrader.deploy.vendor fetch` (needs npm) or
`... check` (offline). The record is `vendor.lock` beside this file: package, version, the
package's own integrity digest, and for each file its place in the archive and its SHA-384.
"""

import argparse
import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).with_name("vendor.lock")
VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
SOURCE_MAP = re.compile(rb"\n?/[/*][#@] sourceMappingURL=[^\n]*\n?")
PACK_TIMEOUT_S = 180


class VendorError(Exception):
    """A vendored file or archive is not what the lock says."""


@dataclass(frozen=True, slots=True)
class Package:
    """One library of the lock, with its files (name here, path in the archive, SHA-384)."""

    name: str
    package: str
    version: str
    licence: str
    integrity: str
    files: tuple[tuple[str, str, str], ...]

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return VENDOR / self.name / self.version


def packages() -> list[Package]:
    """Everything the lock names."""
    lock = tomllib.loads(LOCK.read_text(encoding="utf-8"))
    return [
        Package(
            name=name,
            package=entry["package"],
            version=entry["version"],
            licence=entry["licence"],
            integrity=entry["integrity"],
            files=tuple((file["name"], file["path"], file["sha384"]) for file in entry["files"]),
        )
        for name, entry in lock.items()
    ]


def digest(content: bytes, algorithm: str) -> str:
    """The digest as npm and browsers write it: algorithm, dash, base64."""
    raw = hashlib.new(algorithm, content).digest()
    return f"{algorithm}-{base64.b64encode(raw).decode()}"


def differences() -> list[str]:
    """What on disk is not what the lock says; empty when all is well."""
    found = []
    expected = set()
    for package in packages():
        for name, _, sha384 in package.files:
            path = package.folder / name
            expected.add(path)
            if not path.is_file():
                found.append(f"{path.name} of {package.name} {package.version} is absent")
            elif digest(path.read_bytes(), "sha384") != sha384:
                found.append(f"{path.name} of {package.name} {package.version} was changed")
    strangers = {path for path in VENDOR.rglob("*") if path.is_file()} - expected
    found += [f"{path.relative_to(VENDOR)} is not in the lock" for path in sorted(strangers)]
    return found


def fetch(package: Package) -> None:
    """Pack one library, compare its archive with the lock, copy the named files."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", f"{package.package}@{package.version}", "--silent"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=PACK_TIMEOUT_S,
        )
        (archive,) = Path(folder).glob("*.tgz")
        if digest(archive.read_bytes(), "sha512") != package.integrity:
            raise VendorError(f"{package.package} {package.version}: the archive is another one")
        package.folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as opened:
            for name, path, _ in package.files:
                member = opened.extractfile(f"package/{path}")
                if member is None:
                    raise VendorError(f"{package.package} has no {path}")
                (package.folder / name).write_bytes(_served(name, member.read()))


def _served(name: str, content: bytes) -> bytes:
    # Hashed static storage refuses a comment that points to a source map we do not ship.
    return SOURCE_MAP.sub(b"\n", content) if name.endswith((".js", ".css")) else content


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; 0 when every file is what the lock says."""
    parser = argparse.ArgumentParser(prog="vendor", description=__doc__)
    parser.add_argument("act", choices=["check", "fetch"])
    if parser.parse_args(arguments).act == "fetch":
        for package in packages():
            fetch(package)
    found = differences()
    sys.stdout.write("".join(f"{line}\n" for line in found) or "all files match the lock\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
