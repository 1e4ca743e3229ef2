"""Empties the folders that a program may write, whatever it has done to them."""

import contextlib
import os
import shutil

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
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                become_user(user)
                _open_up(folder)
                shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
        os.waitpid(pid, 0)
    _remove(folder)
    if left := os.listdir(folder):
        raise OSError(f"{folder} keeps {len(left)} files")


def _remove(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    os.rmdir(entry.path)
                else:
                    os.unlink(entry.path)


def _open_up(folder: str) -> None:
    """Lets the owner of folders into them again."""
    for path, folders, _ in os.walk(folder, followlinks=False):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(f"{path}/{name}"):
                    os.chmod(f"{path}/{name}", 0o700)
