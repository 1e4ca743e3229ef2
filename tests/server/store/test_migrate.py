"""A database of the right schema, or a refusal that says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from server.errors import DatabaseUnusableError
from server.store.database import Database, holder_file

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "schema.sql"
UPDATE = "LLM_CROWDSOURCED_UPDATE_GOLDEN"

_HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def _open(path: Path) -> None:
    Database(path, lambda _: None).close()


def _schema(path: Path) -> str:
    """Returns what duckdb's own catalogue says of tables and views, one statement a line."""
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            "select sql from duckdb_tables() where not internal "
            "union all select sql from duckdb_views() where not internal order by sql"
        ).fetchall()
    return "".join(f"{row[0].strip()}\n" for row in rows)


def test_a_blank_database_gets_the_schema(database: Path) -> None:
    """To renew the file: LLM_CROWDSOURCED_UPDATE_GOLDEN=1 pytest tests/server/store."""
    _open(database)
    schema = _schema(database)
    if os.environ.get(UPDATE):
        GOLDEN.write_text(schema, "utf-8")
    assert schema == GOLDEN.read_text("utf-8")


def test_opening_again_changes_nothing(database: Path) -> None:
    _open(database)
    schema = _schema(database)
    _open(database)
    assert _schema(database) == schema
    with duckdb.connect(str(database), read_only=True) as connection:
        (applied,) = connection.execute("select list(version) from schema_migration").fetchall()
    assert applied[0] == list(range(1, len(applied[0]) + 1))


def _refusal(path: Path) -> str:
    with pytest.raises(DatabaseUnusableError) as refused:
        _open(path)
    assert str(path) in refused.value.message
    assert "\n" not in refused.value.message
    return refused.value.message


def _change(path: Path, sql: str) -> None:
    _open(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def test_a_newer_schema_is_refused(database: Path) -> None:
    _change(database, "insert into schema_migration values (99, '0099_x.sql', 'x', now())")
    assert "has schema 99" in _refusal(database)
    assert "update this program" in _refusal(database)


def test_a_changed_migration_is_refused(database: Path) -> None:
    _change(database, "update schema_migration set sha256 = 'other' where version = 1")
    assert "another text of 0001_base.sql" in _refusal(database)


def test_a_refused_database_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "foreign.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table recipe as select 'soup' as name")
    assert "of something else" in _refusal(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("from recipe").fetchall() == [("soup",)]
        assert connection.execute("select count(*) from duckdb_tables()").fetchall() == [(1,)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1000)
    _refusal(path)
    assert path.read_text() == "Dear reader, " * 1000


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be created" in _refusal(tmp_path / "file" / "league.duckdb")


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """Holds a database in another process, and gives its id."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid


def test_a_database_that_another_process_holds_is_refused_with_its_pid(database: Path) -> None:
    _open(database)
    with _held(database) as pid:
        message = _refusal(database)
        assert f"process {pid}" in message
        assert "stop that one, or name another database" in message
        # A note of another process tells nothing of this one.
        holder_file(database).write_text(json.dumps({"address": "127.0.0.1:1", "pid": pid + 1}))
        assert "127.0.0.1:1" not in _refusal(database)
        holder_file(database).write_text("not JSON")
        assert f"process {pid}" in _refusal(database)
        holder_file(database).write_text(json.dumps({"address": "127.0.0.1:50051", "pid": pid}))
        assert f"process {pid}, at 127.0.0.1:50051: " in _refusal(database)
    _open(database)
