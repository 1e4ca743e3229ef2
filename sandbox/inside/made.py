"""Tells whether what a compiler made is a program, and not a library or a part of one."""

import os
import stat
import struct

_HEAD = struct.Struct("<4sB11xH14xQ14xHH")
_PART = struct.Struct("<I")
_64_BITS = 2
_FIXED, _MOVABLE = 2, 3
_INTERPRETER = 3
_MOST_PARTS = 100


def unfit(path: str) -> str:
    """Says in one sentence why a file cannot be started as a program; empty if it can.

    Args:
        path: What should be a program in the ELF format of 64 bits.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return "it has no main program: the compiler made no file that can be started"
    try:
        fits = _is_program(file)
    finally:
        os.close(file)
    return "" if fits else "it has no main program: the compiler made a library or a part of one"


def _is_program(file: int) -> bool:
    mode = os.fstat(file).st_mode
    if not (stat.S_ISREG(mode) and mode & stat.S_IXOTH):
        return False
    head = os.pread(file, _HEAD.size, 0)
    if len(head) < _HEAD.size:
        return False
    magic, bits, kind, parts_at, part_size, parts = _HEAD.unpack(head)
    if magic != b"\x7fELF" or bits != _64_BITS:
        return False
    # Programs that can lie anywhere are told from libraries by what loads them.
    return kind == _FIXED or (
        kind == _MOVABLE
        and any(
            os.pread(file, _PART.size, parts_at + number * part_size) == _PART.pack(_INTERPRETER)
            for number in range(min(parts, _MOST_PARTS))
        )
    )
