"""Wheels that hold a file, for pip to find in a folder that stands in for its registry."""

import zipfile
from pathlib import Path


def write_wheel(registry: Path, name: str, member: str, content: bytes) -> Path:
    """Write version 1.0 of a package with one file in it, and one that points out of the folder it would be unpacked to."""
    module = name.replace("-", "_")
    path = registry / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{module}/{member}", content)
        wheel.writestr("../outside.bin", b"no")
        meta = f"{module}-1.0.dist-info"
        wheel.writestr(f"{meta}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{meta}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{meta}/RECORD", "")
    return path
