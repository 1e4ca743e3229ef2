"""Empties the folders that a program may write, whatever it has done to them."""

import contextlib
import os

from .spawn import become_user


def empty(folder: str, users: tuple[int, ...]) -> None:
    """Removes all that is in a folder.

    Args:
        folder: A folder of the runner's that others may write.
        users: Whose files may be there.

    Raises:
        OSError: Something is left.
    """
    _remove(folder)
    if not os.listdir(folder):
        return
    # What is within their folders is theirs alone to remove.
    for user in users:
        _flatten_as(user, folder)
    _remove(folder)
    if left := os.listdir(folder):
        raise OSError(f"{folder} keeps {len(left)} files")


def remove(path: str, user: int) -> None:
    """Removes what a user has in a folder of its own, whatever it is, with all that is in it.

    Raises:
        OSError: It is still there.
    """
    _flatten_as(user, *os.path.split(path))
    if os.path.lexists(path):
        raise OSError(f"{path} is still there")


def _flatten_as(user: int, folder: str, *names: str) -> None:
    """Removes folders that are in a folder, all if none is named, as a user who may do it."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            become_user(user)
            os.chdir(folder)
            _flatten(list(names) or os.listdir())
        os._exit(0)
    os.waitpid(pid, 0)


def _remove(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    os.rmdir(entry.path)
                else:
                    os.unlink(entry.path)


def _flatten(folders: list[str]) -> None:
    """Removes folders that are here, by moving up what is in them.

    However deep they are, no path gets longer than two names, and nothing recurs.
    """
    prefix = os.urandom(8).hex()
    moved = 0
    while folders:
        folder = folders.pop()
        with contextlib.suppress(OSError):
            if os.path.islink(folder) or not os.path.isdir(folder):
                os.unlink(folder)
                continue
            # They may have shut out even their owner.
            os.chmod(folder, 0o700)
            _remove(folder)
            for name in os.listdir(folder):
                inner, moved = f"{folder}/{name}", moved + 1
                os.chmod(inner, 0o700)
                os.rename(inner, f"{prefix}{moved}")
                folders.append(f"{prefix}{moved}")
            os.rmdir(folder)
