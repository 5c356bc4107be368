"""Roll-ups that the loader applies at the door: fine-grained rows in, one row per day out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from scripts.delivered_file import DeliveryError

MEMORY_LIMIT = "384MB"
BATCH_ROWS = 65_536
BROADBAND_DAILY = """
    with local_hour as (
        select
            subscription_id,
            timezone('Asia/Shanghai', hour_start_at) as hour_start,
            download_bytes,
            upload_bytes,
            online_minutes
        from delivered
    )

    select
        subscription_id,
        hour_start::date as usage_date,
        sum(download_bytes)::bigint as download_bytes,
        sum(upload_bytes)::bigint as upload_bytes,
        sum(online_minutes)::integer as online_minutes,
        count(*) filter (where online_minutes > 0)::integer as online_hours,
        arg_max(hour(hour_start), download_bytes + upload_bytes)::integer as peak_hour
    from local_hour
    group by subscription_id, usage_date
"""


@dataclass(frozen=True)
class RollUp:
    """The columns a roll-up yields, with their PostgreSQL types, and its query over `delivered`."""

    columns: dict[str, str]
    date_column: str
    query: str


ROLL_UPS = {
    "broadband_daily": RollUp(
        columns={
            "subscription_id": "text",
            "usage_date": "date",
            "download_bytes": "bigint",
            "upload_bytes": "bigint",
            "online_minutes": "integer",
            "online_hours": "integer",
            "peak_hour": "integer",
        },
        date_column="usage_date",
        query=BROADBAND_DAILY,
    )
}


def rolled_up(
    name: str, schema: pa.Schema, delivered: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Aggregate the rows of `delivered` with DuckDB, in bounded memory.

    Groups beyond `MEMORY_LIMIT` are kept in a temporary folder until they are read. A
    `DeliveryError` among the rows comes out as it is, not as DuckDB would tell it.
    """
    errors: list[DeliveryError] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from delivered
        except DeliveryError as error:
            errors.append(error)
            raise

    with tempfile.TemporaryDirectory(prefix="roll-up-") as folder:
        settings = {"memory_limit": MEMORY_LIMIT, "temp_directory": folder}
        with duckdb.connect(config=settings) as connection:
            connection.register("delivered", pa.RecordBatchReader.from_batches(schema, watched()))
            try:
                yield from connection.sql(ROLL_UPS[name].query).to_arrow_reader(BATCH_ROWS)
            except (duckdb.Error, pa.ArrowException):
                if errors:
                    raise errors[0] from None
                raise
