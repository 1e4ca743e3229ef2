"""The DuckDB file: one process owns it, one thread writes it with group commit.

A write is acknowledged only after its transaction is on disk. All writes that
wait while a commit is under way share the next one, so durable writes scale
with the number of writers and not with the speed of the disk.

Reads run on threads of their own, each on a cursor of its own: a connection
that threads share returns rows of other threads.
"""

import asyncio
import json
import logging
import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb

from server.errors import DatabaseUnusableError, LeagueError, StoreError
from server.store.migrate import migrate

T = TypeVar("T")
_log = logging.getLogger(__name__)
Row = dict[str, Any]
Work = Callable[["Transaction"], T]
_Item = tuple[Work[Any], asyncio.Future[Any]]

_READERS = 4
_MAX_BATCH = 512
_RETRY_S = 1.0
_MAX_CACHED = 1000
_HOLDER = re.compile(r"PID (\d+)")
_PATH = re.compile(r"\"[^\"]*/[^\"]*\"|'[^']*/[^']*'|(?<!\w)/[^\s\"':]+")


class _Inserter:
    """Inserts rows within the writer's transaction, by appenders: a statement is planned anew."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._appenders: dict[tuple[str, ...], duckdb.Appender] = {}

    def insert(self, table: str, rows: list[Row]) -> None:
        """Inserts rows, which all have the same columns."""
        columns = list(rows[0])
        key = (table, *columns)
        if key not in self._appenders:
            self._appenders[key] = self._cursor.appender(table, columns=columns)
        self._appenders[key].append_rows([[row[c] for c in columns] for row in rows])
        self._appenders[key].flush()

    def forget(self) -> None:
        """Drops what a failed transaction may have left in an appender."""
        for appender in self._appenders.values():
            appender.clear()
        self._appenders.clear()


class Transaction:
    """What a write does: rows to insert, statements to execute, caches to change.

    Rows are gathered and inserted many at a time when the transaction commits.
    Changes of `cache` take effect only with the commit.
    """

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, inserter: _Inserter, cache: dict[Any, Any]
    ) -> None:
        self._cursor = cursor
        self._inserter = inserter
        self._cache = cache
        self._changed: dict[Any, Any] = {}
        self._rows: dict[str, list[Row]] = {}
        self.news: dict[str, list[Any]] = {}

    def insert(self, table: str, row: Row) -> None:
        """Adds a row, to be inserted before the next statement or the commit."""
        self._rows.setdefault(table, []).append(row)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Executes a statement after the rows so far, and returns all that it gives."""
        self.flush()
        return self._cursor.execute(sql, list(parameters)).fetchall()

    def cached(self, key: Any, load: Callable[[], T]) -> T:
        """Returns a cached value as this transaction sees it, loading it the first time."""
        if key in self._changed:
            return self._changed[key]  # type: ignore[no-any-return]
        if key not in self._cache:
            self._changed[key] = load()
            return self._changed[key]  # type: ignore[no-any-return]
        return self._cache[key]  # type: ignore[no-any-return]

    def set_cached(self, key: Any, value: Any) -> None:
        """Changes a cached value, if the transaction commits."""
        self._changed[key] = value

    def tell(self, name: str, what: Any) -> None:
        """Has `on_commit` hear what this transaction did, under a name."""
        self.news.setdefault(name, []).append(what)

    def flush(self) -> None:
        """Inserts the rows so far."""
        gathered, self._rows = self._rows, {}
        for table, rows in gathered.items():
            self._inserter.insert(table, rows)

    def commit_caches(self) -> None:
        """Makes the changes of caches visible; called once the commit is on disk."""
        for key, value in self._changed.items():
            self._cache.pop(key, None)
            self._cache[key] = value
        while len(self._cache) > _MAX_CACHED:
            # The one that was changed longest ago: loaded again if it is needed.
            del self._cache[next(iter(self._cache))]


class Database:
    """An open database file.

    Args:
        path: The file; created, with its folder, if it does not exist.
        on_commit: Called on the writer's thread after a commit, with what its
            transactions told.

    Attributes:
        path: The file.
        problem: Why writes wait, in one sentence; empty while they do not.

    Raises:
        DatabaseUnusableError: The file is held by another process, newer than
            this program, damaged, or cannot be written.
    """

    def __init__(
        self, path: Path, on_commit: Callable[[Mapping[str, Sequence[Any]]], None]
    ) -> None:
        self.path = path
        self._on_commit = on_commit
        self._connection = _open(path)
        try:
            migrate(self._connection, path)
        except BaseException:
            self._connection.close()
            raise
        self._cache: dict[Any, Any] = {}
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")
        self._closed = False
        self._closing = threading.Event()
        self.problem = ""
        self._writer = threading.Thread(target=self._write_all, name="store-write", daemon=True)
        self._writer.start()

    async def write(self, work: Work[T]) -> T:
        """Runs a write and returns its value once it is on disk.

        Raises:
            StoreError: It could not be written.
            LeagueError: What the write itself raised.
        """
        if self._closed:
            raise StoreError("the store is closed")
        # A caller that goes away cancels its future, never the write.
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((work, future))
        return await future

    async def read(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Runs a read on a cursor of its own, on another thread, as of one moment."""

        def run() -> T:
            with self._connection.cursor() as cursor:
                cursor.execute("begin")
                try:
                    return work(cursor)
                finally:
                    _roll_back(cursor)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, run)
        except duckdb.Error as error:
            raise StoreError(f"the database cannot be read: {_without_paths(error)}") from error

    def committed(self, key: Any) -> Any:
        """Returns a cached value as the last commit left it; `None` if it is not cached."""
        return self._cache.get(key)

    def stop_waiting(self) -> None:
        """Gives up writes that wait for room on a full disk; further ones do not wait."""
        self._closing.set()

    def close(self) -> None:
        """Writes what waits, and lets go of the file."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_all(self) -> None:
        open_ = True
        with self._connection.cursor() as cursor:
            inserter = _Inserter(cursor)
            while open_:
                batch = [self._queue.get()]
                while len(batch) < _MAX_BATCH and not self._queue.empty():
                    batch.append(self._queue.get())
                open_ = None not in batch
                self._write_batch(cursor, inserter, [item for item in batch if item is not None])

    def _write_batch(
        self, cursor: duckdb.DuckDBPyConnection, inserter: _Inserter, batch: list[_Item]
    ) -> None:
        if not batch:
            return
        try:
            self._commit_in_time(cursor, inserter, batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the callers' to know
            if len(batch) == 1:
                _tell(batch, [_as_league_error(error)], failed=True)
                return
            # One bad write spoils a shared transaction: each gets its own.
            for item in batch:
                self._write_batch(cursor, inserter, [item])

    def _commit_in_time(
        self, cursor: duckdb.DuckDBPyConnection, inserter: _Inserter, batch: list[_Item]
    ) -> None:
        """Commits, waiting for room on a full disk: what was paid for is not given up.

        Nobody starts a further call while `problem` says so, which bounds what is
        held in memory by the calls under way.
        """
        while True:
            try:
                self._commit(cursor, inserter, batch)
            except (duckdb.Error, OSError) as error:
                if not _is_full(error):
                    raise
                if not self.problem:
                    _log.error("database cannot be written", extra={"why": _first_line(error)})
                # Said before it is waited for: hundreds of calls could be sent meanwhile.
                self.problem = f"the disk of {self.path.name} is full: make room, and it goes on"
                if self._closing.wait(_RETRY_S):
                    raise
            else:
                self.problem = ""
                return

    def _commit(
        self, cursor: duckdb.DuckDBPyConnection, inserter: _Inserter, batch: list[_Item]
    ) -> None:
        transaction = Transaction(cursor, inserter, self._cache)
        cursor.execute("begin")
        try:
            values = [work(transaction) for work, _ in batch]
            transaction.flush()
            cursor.execute("commit")
        except BaseException:
            inserter.forget()
            _roll_back(cursor)
            raise
        transaction.commit_caches()
        self._on_commit(transaction.news)
        _tell(batch, values)


def _tell(batch: Sequence[_Item], values: Sequence[Any], *, failed: bool = False) -> None:
    """Answers the writers of a batch, with one call to their loop for all of them."""

    def answer() -> None:
        for (_, future), value in zip(batch, values, strict=True):
            if future.done():
                continue
            if failed:
                future.set_exception(value)
            else:
                future.set_result(value)

    try:
        batch[0][1].get_loop().call_soon_threadsafe(answer)
    except RuntimeError:
        # The loop is closed: nobody waits any more.
        _log.info("a write was answered after its loop had ended")


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            str(path),
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": "1GB",
                # A commit is a few small inserts, which more threads only delay.
                "threads": "1",
            },
        )
        # It packs 2,048 long texts together, and unpacks all of them to read one: a run of
        # long replies could not be read within the memory that there is.
        connection.execute("set disabled_compression_methods = 'zstd'")
    except OSError as error:
        raise DatabaseUnusableError(f"{path} cannot be created: {error.strerror}") from error
    except duckdb.Error as error:
        raise _unusable(path, str(error)) from error
    return connection


def _unusable(path: Path, message: str) -> DatabaseUnusableError:
    if "Could not set lock" in message:
        found = _HOLDER.search(message)
        pid = found[1] if found else "unknown"
        address = _address_of(path, pid)
        where = f", at {address}" if address else ""
        return DatabaseUnusableError(
            f"{path} is in use by another server, process {pid}{where}: stop that one, or name "
            "another database",
            held_by=address,
        )
    if "version number" in message:
        return DatabaseUnusableError(
            f"{path} was written by a newer DuckDB: update this program, or name another database"
        )
    return DatabaseUnusableError(f"{path} cannot be opened: {message.splitlines()[0]}")


def holder_file(path: Path) -> Path:
    """Returns the file beside a database in which its server says where it listens."""
    return path.with_name(path.name + ".server.json")


def _address_of(path: Path, pid: str) -> str:
    """Returns where the process that holds the database listens, if it said so."""
    try:
        said = json.loads(holder_file(path).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(said.get("address", "")) if str(said.get("pid")) == pid else ""


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("rollback")
    except duckdb.Error:
        # There may be no transaction left to roll back.
        return


def _as_league_error(error: Exception) -> Exception:
    if isinstance(error, LeagueError):
        return error
    if isinstance(error, duckdb.Error | OSError):
        made = StoreError(f"the database cannot be written: {_without_paths(error)}")
        # The log has what the client is not told.
        made.__cause__ = error
        return made
    return error


def _is_full(error: BaseException) -> bool:
    return any(words in str(error) for words in ("No space left", "Disk quota exceeded"))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _without_paths(error: BaseException) -> str:
    """Returns what an error says, fit to leave the server."""
    return _PATH.sub("(path)", _first_line(error))
