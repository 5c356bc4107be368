"""Roll-ups that the loader applies at the door: fine-grained rows in, one row per day out."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

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


def roll_up(name: str, delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Aggregate the streamed rows of `delivered` with DuckDB; memory is bounded by the groups."""
    connection = duckdb.connect()
    connection.register("delivered", delivered)
    return connection.sql(ROLL_UPS[name].query).to_arrow_reader()
