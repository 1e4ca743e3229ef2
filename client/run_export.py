"""`runs.py export`: the tables of a run as Parquet files."""

import contextlib
import re
from pathlib import Path
from typing import IO

from llm_crowdsourced.v1 import result_service_pb2

from client.command_line import print_json
from client.connection import Connection
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.plain import one_line
from client.report_files import cannot_write, replacing
from client.screen import results, working

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")


async def export(connection: Connection, name: str, folder: Path, *, as_json: bool) -> int:
    """Writes each table of a run into a folder; no file is ever seen half written.

    Raises:
        CommandError: The run is not known, a file cannot be written, or the
            server does not answer.
    """
    paths: list[Path] = []
    request = result_service_pb2.ExportRunRequest(name=name)
    with working(f"Exporting {name}.") as told, contextlib.ExitStack() as files:
        table, file = "", None
        async for piece in connection.stream(connection.results.ExportRun, request):
            if piece.table != table:
                table = piece.table
                paths.append(_path(folder, table))
                told(f"Exporting {name}: {table}")
                file = _opened(files, paths[-1])
            _write(file, paths[-1], piece.data)
        # A stream that broke leaves nothing: the files take their places here.
        try:
            files.close()
        except OSError as error:
            raise CommandError(cannot_write(folder, error)) from error
    if as_json:
        print_json({"export": [str(path) for path in paths]})
    else:
        for path in paths:
            results().print(str(path), soft_wrap=True)
    return ExitStatus.OK


def _path(folder: Path, table: str) -> Path:
    if not _TABLE.fullmatch(table):
        raise CommandError(f'The server sent a table that cannot be a file: "{one_line(table)}".')
    return folder / f"{table}.parquet"


def _opened(files: contextlib.ExitStack, path: Path) -> IO[bytes]:
    try:
        return files.enter_context(replacing(path))
    except OSError as error:
        raise CommandError(cannot_write(path, error)) from error


def _write(file: IO[bytes] | None, path: Path, data: bytes) -> None:
    try:
        if file is not None:
            file.write(data)
    except OSError as error:
        raise CommandError(cannot_write(path, error)) from error
