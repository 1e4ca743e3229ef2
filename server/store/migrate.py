"""Brings a database to the schema of this program: numbered SQL files, each once."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb

from server.errors import DatabaseUnusableError

_TABLE = """
create table if not exists schema_migration (
    version integer primary key,
    name varchar not null,
    sha256 varchar not null,
    applied_at timestamp not null
)
"""


@dataclass(frozen=True)
class Migration:
    """One SQL file; `version` is the number that its name starts with."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of the file, kept to tell when an applied one was changed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Returns the migrations of this program, in order."""
    folder = resources.files("server.store").joinpath("migrations")
    return tuple(
        Migration(int(file.name[:4]), file.name, file.read_text("utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    )


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Applies the migrations that a database lacks, each in a transaction.

    Raises:
        DatabaseUnusableError: The database is newer than this program, holds
            something else, or was made by a migration that has been changed.
    """
    known = migrations()
    with connection.cursor() as cursor:
        _refuse_foreign(cursor, path)
        cursor.execute(_TABLE)
        rows = cursor.execute("select version, sha256 from schema_migration").fetchall()
        applied = dict(rows)
        newest = max(applied, default=0)
        if newest > known[-1].version:
            raise DatabaseUnusableError(
                f"{path} has schema {newest}, this program knows up to {known[-1].version}: "
                "update this program, or name another database"
            )
        for migration in known:
            if migration.version in applied:
                _check_unchanged(migration, applied[migration.version], path)
            else:
                _apply(cursor, migration)
        if newest < known[-1].version:
            # Schema changes left in the log are what a killed process may not
            # be able to read back.
            cursor.execute("checkpoint")


def _refuse_foreign(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    tables = {row[0] for row in cursor.execute("select table_name from duckdb_tables()").fetchall()}
    if tables and "schema_migration" not in tables:
        raise DatabaseUnusableError(
            f"{path} is a DuckDB database of something else: name another database"
        )


def _check_unchanged(migration: Migration, sha256: str, path: Path) -> None:
    if migration.sha256 != sha256:
        raise DatabaseUnusableError(
            f"{path} was made by another text of {migration.name}: use the program that "
            "made it, or name another database"
        )


def _apply(cursor: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    cursor.execute("begin")
    cursor.execute(migration.sql)
    cursor.execute(
        "insert into schema_migration values (?, ?, ?, now() at time zone 'UTC')",
        [migration.version, migration.name, migration.sha256],
    )
    cursor.execute("commit")
