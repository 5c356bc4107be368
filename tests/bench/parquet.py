"""Rows of the warehouse as Parquet, for DuckDB to read."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.bench.processes import psql

# Arrays as PostgreSQL writes them: what reads them only hands them on.
DUCKDB_TYPES = {"text[]": "varchar", "numeric": "decimal(18, 6)", "jsonb": "varchar"}


def write_parquet(file: Path, query: str, types: dict[str, str]) -> None:
    """Write the rows of a query; `types` names its columns in PostgreSQL's types."""
    file.parent.mkdir(exist_ok=True)
    csv = file.with_suffix(".csv")
    psql(f"\\copy ({query}) to '{csv}' (format csv, header)")
    duckdb_types = {name: DUCKDB_TYPES.get(type_, type_) for name, type_ in types.items()}
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from read_csv('{csv}', header = true, types = {duckdb_types}))"
            f" to '{file}' (format parquet)"
        )
    csv.unlink()
