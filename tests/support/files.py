"""Files of a test."""

from pathlib import Path


def write(folder: Path, **files: str | bytes) -> None:
    """Writes files; `a_txt` stands for `a.txt`."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("_", ".")).write_bytes(data)
