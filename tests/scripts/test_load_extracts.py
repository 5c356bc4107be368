"""The loader on real files and a real database: what is loaded, kept, rejected, refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from scripts.contracts import find_extract
from scripts.database import connect, fetch_all
from scripts.load_extracts import ExtractLoad, load_all, load_extract
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)
CUSTOMER_HEADER = (
    "customer_id|customer_name|identity_number|contact_phone|gender|birth_date|region|county|"
    "star_level|is_do_not_call|registered_date"
)
READING_HEADER = "subscription_id,measured_at,direction,reading_value,reading_unit"
HOUR_HEADER = "subscription_id,hour_start_at,download_bytes,upload_bytes,online_minutes"

Deliver = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("warehouse_db")


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """Return a function that puts a file into the landing folder `tmp_path`."""

    def put(source: str, name: str, file: str, content: bytes, day: date = NIGHT) -> Path:
        path = tmp_path / source / name / day.isoformat() / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


def customers(*rows: str, header: str = CUSTOMER_HEADER) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode("gb18030")


def customer(customer_id: str, name: str = "張三", star_level: str = "3") -> str:
    return f"{customer_id}|{name}|||female|1990-01-31|南京|鼓楼|{star_level}|false|2020-01-01"


def readings(*rows: str) -> bytes:
    return ("\n".join([READING_HEADER, *rows]) + "\n").encode()


def load(name: str, landing_dir: Path, day: date = NIGHT) -> ExtractLoad:
    source = {"customer": "crm", "optical_reading": "line", "broadband_hourly": "usage"}[name]
    return load_extract(find_extract(source, name), day, landing_dir)


def raw_rows(table: str) -> list[dict[str, Any]]:
    with connect(Role.LOADER) as connection:
        return connection.execute(f"select * from raw.{table} order by 1, 2").fetchall()


def ledger() -> list[dict[str, Any]]:
    return fetch_all(
        Role.LOADER,
        "select extract_load_id, file, rows_read, rows_loaded, rows_rejected, status, warning,"
        " error from ops.extract_load where status <> 'superseded' order by file",
    )


def rejected() -> list[tuple[Any, ...]]:
    rows = fetch_all(
        Role.LOADER,
        "select line, column_name, value, reason, original_text from raw.rejected_row"
        " order by line",
    )
    return [tuple(row.values()) for row in rows]


def test_decodes_before_it_splits(deliver: Deliver, tmp_path: Path) -> None:
    """The second byte of 東 in GB18030 is `|`, the delimiter."""
    assert b"|" in "東".encode("gb18030")
    deliver(
        "crm", "customer", "a.csv", customers(customer("C1", "東東"), customer("C2", '"李|四"'))
    )
    result = load("customer", tmp_path)
    assert (result.status, result.rows_read, result.rows_loaded) == ("loaded", 2, 2)
    assert [row["customer_name"] for row in raw_rows("crm__customer")] == ["東東", "李|四"]


def test_types_and_local_times(deliver: Deliver, tmp_path: Path) -> None:
    deliver(
        "line",
        "optical_reading",
        "a.csv",
        readings(
            "S1,2026-11-20 23:59:59,downstream,28.00,dB",
            "S2,2026-11-20T12:00:00Z,upstream,-18.125,dBm",
        ),
    )
    load("optical_reading", tmp_path)
    first, second = raw_rows("line__optical_reading")
    assert first["measured_at"] == datetime(
        2026, 11, 20, 23, 59, 59, tzinfo=ZoneInfo("Asia/Shanghai")
    )
    assert second["measured_at"] == datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("UTC"))
    assert (str(first["reading_value"]), str(second["reading_value"])) == ("28.000", "-18.125")
    assert first["business_date"] == NIGHT
    (entry,) = ledger()
    assert entry["file"] == "line/optical_reading/2026-11-20/a.csv"
    assert first["extract_load_id"] == entry["extract_load_id"]


def test_rejected_rows_keep_line_column_reason_and_text(deliver: Deliver, tmp_path: Path) -> None:
    deliver(
        "crm",
        "customer",
        "a.csv",
        customers(
            customer("C1"),
            customer("C2", '"two\nlines"'),
            "C3|only|three",
            "",
            customer(""),
            customer("C5", star_level="8"),
            customer("C6").replace("1990-01-31", "1990-02-30"),
            customer("C7").replace("female", "f"),
            customer("C8"),
        ),
    )
    result = load("customer", tmp_path)
    assert (result.rows_read, result.rows_loaded, result.rows_rejected) == (8, 3, 5)
    assert [row["customer_id"] for row in raw_rows("crm__customer")] == ["C1", "C2", "C8"]
    assert rejected() == [
        (5, None, None, "3 columns instead of 11", "C3|only|three"),
        (7, "customer_id", "", "required value is missing", customer("")),
        (8, "star_level", "8", "above the maximum 7", customer("C5", star_level="8")),
        (
            9,
            "birth_date",
            "1990-02-30",
            "not a valid date (date)",
            customer("C6").replace("1990-01-31", "1990-02-30"),
        ),
        (
            10,
            "gender",
            "f",
            "not one of female, male, unknown",
            customer("C7").replace("female", "f"),
        ),
    ]


def test_both_sides_of_a_bound(deliver: Deliver, tmp_path: Path) -> None:
    rows = [customer(f"C{level}", star_level=str(level)) for level in (-1, 0, 7, 8)]
    deliver("crm", "customer", "a.csv", customers(*rows))
    load("customer", tmp_path)
    assert [row["star_level"] for row in raw_rows("crm__customer")] == [0, 7]


def test_a_reading_without_a_known_unit_is_rejected(deliver: Deliver, tmp_path: Path) -> None:
    deliver(
        "line",
        "optical_reading",
        "a.csv",
        readings(
            "S1,2026-11-20 10:00:00,downstream,30,dB",
            "S2,2026-11-20 10:00:00,downstream,30,",
            "S3,2026-11-20 10:00:00,downstream,30,mW",
        ),
    )
    load("optical_reading", tmp_path)
    assert [row["subscription_id"] for row in raw_rows("line__optical_reading")] == ["S1"]


def test_the_same_delivery_again_changes_nothing(deliver: Deliver, tmp_path: Path) -> None:
    deliver("crm", "customer", "a.csv", customers(customer("C1"), customer("")))
    first = load("customer", tmp_path)
    rows, entries = raw_rows("crm__customer"), ledger()
    again = load("customer", tmp_path)
    assert (first.status, again.status) == ("loaded", "unchanged")
    assert (again.rows_read, again.rows_loaded, again.rows_rejected) == (2, 1, 1)
    assert (raw_rows("crm__customer"), ledger()) == (rows, entries)
    assert len(rejected()) == 1


def test_a_corrected_file_replaces_its_date_and_nothing_else(
    deliver: Deliver, tmp_path: Path
) -> None:
    day_before = date(2026, 11, 19)
    deliver("crm", "customer", "a.csv", customers(customer("C1")), day_before)
    deliver("crm", "customer", "a.csv", customers(customer("C1"), customer("")))
    load("customer", tmp_path, day_before)
    load("customer", tmp_path)
    deliver("crm", "customer", "a.csv", customers(customer("C2"), customer("C3")))
    load("customer", tmp_path)
    assert [(row["customer_id"], row["business_date"]) for row in raw_rows("crm__customer")] == [
        ("C1", day_before),
        ("C2", NIGHT),
        ("C3", NIGHT),
    ]
    assert rejected() == []
    assert [entry["rows_loaded"] for entry in ledger()] == [1, 2]


def test_the_same_content_under_two_names_is_loaded_once(deliver: Deliver, tmp_path: Path) -> None:
    content = customers(customer("C1"))
    deliver("crm", "customer", "a.csv", content)
    deliver("crm", "customer", "b.csv", content)
    result = load("customer", tmp_path)
    assert result.rows_loaded == 1
    assert "same content" in result.warnings[0]


def test_several_files_of_one_delivery_are_one_transaction(
    deliver: Deliver, tmp_path: Path
) -> None:
    deliver("crm", "customer", "a.csv", customers(customer("C1")))
    deliver("crm", "customer", "b.csv", customers(customer("C2"), header="customer_id|region"))
    assert load("customer", tmp_path).status == "failed"
    assert raw_rows("crm__customer") == []
    deliver("crm", "customer", "b.csv", customers(customer("C2")))
    assert load("customer", tmp_path).rows_loaded == 2


UTF8_CUSTOMERS = customers(customer("C1")).decode("gb18030").encode("utf-8")
GZIPPED = gzip.compress(readings(*["S1,2026-11-20 10:00:00,downstream,20,dB"] * 2000))


@pytest.mark.parametrize(
    ("name", "file", "content", "line", "cause"),
    [
        ("customer", "a.csv", UTF8_CUSTOMERS, None, "the file is UTF-8"),
        ("customer", "a.csv", customers(customer("C1"))[:-1], 2, "truncated"),
        ("customer", "a.csv", customers(customer("C1"))[:-40], 2, "truncated"),
        ("customer", "a.csv", customers(customer("C1", '"open')), 2, "never closed"),
        (
            "customer",
            "a.csv",
            customers(
                customer("C1"), customer("C2").replace("2020-01-01", '"open'), customer("C3")
            ),
            3,
            "never closed",
        ),
        ("customer", "a.csv", b"", 1, "the file is empty"),
        (
            "customer",
            "a.csv",
            customers(header=CUSTOMER_HEADER.replace("|is_do_not_call", "")),
            1,
            "required columns missing: is_do_not_call",
        ),
        (
            "customer",
            "a.csv",
            customers(header=CUSTOMER_HEADER + "|region"),
            1,
            "columns named twice: region",
        ),
        (
            "optical_reading",
            "a.csv",
            readings("S1,2026-11-20 10:00:00,downstream,20,dB") + "東\n".encode("gb18030"),
            3,
            "wrong encoding",
        ),
        ("optical_reading", "a.csv.gz", GZIPPED[:-40], None, "truncated gzip"),
        ("optical_reading", "a.csv.gz", b"no gzip", None, "truncated gzip"),
        ("optical_reading", "a.parquet", b"PAR1 no parquet", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_trusted_loads_nothing_and_leaves_what_was_there(
    deliver: Deliver,
    tmp_path: Path,
    name: str,
    file: str,
    content: bytes,
    line: int | None,
    cause: str,
) -> None:
    source, table = {
        "customer": ("crm", "crm__customer"),
        "optical_reading": ("line", "line__optical_reading"),
    }[name]
    good = {
        "customer": customers(customer("C0"), customer("")),
        "optical_reading": readings("S0,2026-11-20 10:00:00,downstream,20,dB"),
    }[name]
    good_file = deliver(source, name, "good.csv", good)
    load(name, tmp_path)
    before, rejected_before = raw_rows(table), rejected()
    good_file.unlink()

    path = deliver(source, name, file, content)
    result = load(name, tmp_path)

    assert result.status == "failed"
    assert result.error is not None
    assert cause in result.error
    assert str(path) in result.error
    assert line is None or f"line {line}:" in result.error
    assert (raw_rows(table), rejected()) == (before, rejected_before)
    failed = [entry for entry in ledger() if entry["status"] == "failed"]
    assert [(entry["file"], entry["error"]) for entry in failed] == [
        (path.relative_to(tmp_path).as_posix(), result.error)
    ]
    load(name, tmp_path)
    assert [entry for entry in ledger() if entry["status"] == "failed"] == failed


def test_new_and_missing_columns_and_another_order(deliver: Deliver, tmp_path: Path) -> None:
    header = "region|customer_id|loyalty|is_do_not_call|registered_date"
    deliver("crm", "customer", "a.csv", customers("南京|C1|gold|true|2020-01-01", header=header))
    result = load("customer", tmp_path)
    (row,) = raw_rows("crm__customer")
    assert (row["customer_id"], row["region"], row["is_do_not_call"]) == ("C1", "南京", True)
    assert row["contact_phone"] is None
    assert "left out: loyalty" in result.warnings[0]
    assert "loaded as null: customer_name" in result.warnings[0]


def test_a_value_with_line_break_quote_and_delimiter_arrives_as_it_was(
    deliver: Deliver, tmp_path: Path
) -> None:
    value = 'two\r\nlines, "quoted" | back\\slash \\N'
    quoted = value.replace('"', '""')
    deliver("crm", "customer", "a.csv", customers(customer("C1", f'"{quoted}"'), customer("C2")))
    assert load("customer", tmp_path).rows_loaded == 2
    assert [row["customer_name"] for row in raw_rows("crm__customer")] == [value, "張三"]


def test_byte_order_mark_and_carriage_returns(deliver: Deliver, tmp_path: Path) -> None:
    content = readings("S1,2026-11-20 10:00:00,downstream,20,dB").replace(b"\n", b"\r\n")
    deliver("line", "optical_reading", "a.csv", b"\xef\xbb\xbf" + content)
    assert load("optical_reading", tmp_path).rows_loaded == 1


def test_parquet_is_checked_like_csv(deliver: Deliver, tmp_path: Path) -> None:
    table = pa.table(
        {
            "subscription_id": ["S1", "S2", None],
            "measured_at": pa.array(["2026-11-20 10:00:00"] * 3).cast(pa.timestamp("us")),
            "direction": ["downstream"] * 3,
            "reading_value": [20.5, 200.0, 21.0],
            "reading_unit": ["dB"] * 3,
        }
    )
    path = deliver("line", "optical_reading", "a.parquet", b"")
    parquet.write_table(table, path)
    result = load("optical_reading", tmp_path)
    assert (result.rows_read, result.rows_loaded, result.rows_rejected) == (3, 1, 2)
    (row,) = raw_rows("line__optical_reading")
    assert row["measured_at"] == datetime(2026, 11, 20, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert [row[:4] for row in rejected()] == [
        (3, "reading_value", "200", "above the maximum 100"),
        (4, "subscription_id", None, "required value is missing"),
    ]


def test_a_parquet_column_of_another_type_is_read_by_its_values(
    deliver: Deliver, tmp_path: Path
) -> None:
    """Whole numbers as floating (a null among them), numbers as text, a dictionary of words."""
    table = pa.table(
        {
            "subscription_id": pa.array(["S1", "S2", "S3"]),
            "hour_start_at": pa.array(["2026-11-20 10:00:00"] * 3),
            "download_bytes": pa.array([1e12, 2.0, 2.5]),
            "upload_bytes": pa.array(["1", "2", "3"]),
            "online_minutes": pa.array([1, 2, 3], pa.int8()).dictionary_encode(),
        }
    )
    path = deliver("usage", "broadband_hourly", "a.parquet", b"")
    parquet.write_table(table, path)
    assert load("broadband_hourly", tmp_path).status == "loaded"
    assert [row["download_bytes"] for row in raw_rows("usage__broadband_daily")] == [10**12, 2]
    assert [row[:3] for row in rejected()] == [(4, "download_bytes", "2.5")]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1.0], [2.0]]),
        pa.array([{"x": 1.0}, {"x": 2.0}]),
        pa.array([b"\xff\xfe", b"\xff"]),
        pa.array([b"\xff\xfe", b"\xff"]).cast(pa.string(), safe=False),
    ],
    ids=["list", "struct", "binary", "no_utf8"],
)
def test_a_parquet_column_that_cannot_be_read_fails_the_delivery(
    deliver: Deliver, tmp_path: Path, values: pa.Array
) -> None:
    table = pa.table(
        {
            "subscription_id": values,
            "measured_at": ["2026-11-20 10:00:00"] * 2,
            "direction": ["downstream"] * 2,
            "reading_value": [20.0, 21.0],
            "reading_unit": ["dB"] * 2,
        }
    )
    path = deliver("line", "optical_reading", "a.parquet", b"")
    parquet.write_table(table, path)
    result = load("optical_reading", tmp_path)
    assert result.status == "failed"
    assert "cannot be read" in str(result.error)


@pytest.mark.parametrize(
    ("text", "is_loaded"),
    [
        ("1e1", True),
        ("1.5E-1", True),
        (" +20.125 ", True),
        ("0x1F", False),
        ("9e-2147483647", False),
        ("1e400", False),
        ("20.1255", False),
        ("1_0", False),
        ("nan", False),
    ],
)
def test_which_numbers_are_read(
    deliver: Deliver, tmp_path: Path, text: str, is_loaded: bool
) -> None:
    row = f"S1,2026-11-20 10:00:00,downstream,{text},dB"
    deliver("line", "optical_reading", "a.csv", readings(row))
    assert load("optical_reading", tmp_path).rows_loaded == is_loaded


@pytest.mark.parametrize(
    ("text", "is_loaded"),
    [
        ("0001-01-02 00:00:00", True),
        ("0000-12-31 23:59:59", False),
        ("9999-12-31 00:00:00", True),
        ("2026-11-20 24:00:00", False),
        ("2026-11-20", True),
        ("2026-11-20 10:30", True),
        ("2026-11-20 10:30:00.123456", True),
        ("2026-11-20 10:30:00.1234567", False),
        ("2026-11-20 10:30:00+08:00", True),
        ("2026-11-20T10:30:00+0800", True),
        ("20261120", False),
    ],
)
def test_which_times_are_read(deliver: Deliver, tmp_path: Path, text: str, is_loaded: bool) -> None:
    deliver("line", "optical_reading", "a.csv", readings(f"S1,{text},downstream,20,dB"))
    assert load("optical_reading", tmp_path).rows_loaded == is_loaded
    if not is_loaded:
        assert [row[1:3] for row in rejected()] == [("measured_at", text)]


def test_hours_are_rolled_up_to_local_days(deliver: Deliver, tmp_path: Path) -> None:
    rows = [
        "S1,2026-11-19 23:00:00,100,1,60",
        "S1,2026-11-20 00:00:00,200,2,0",
        "S1,2026-11-20 20:00:00,700,7,30",
        "S1,2026-11-20 21:00:00,300,3,61",
    ]
    deliver("usage", "broadband_hourly", "a.csv", ("\n".join([HOUR_HEADER, *rows]) + "\n").encode())
    result = load("broadband_hourly", tmp_path)
    assert (result.rows_read, result.rows_loaded, result.rows_rejected) == (4, 3, 1)
    columns = (
        "usage_date",
        "download_bytes",
        "upload_bytes",
        "online_minutes",
        "online_hours",
        "peak_hour",
    )
    assert [tuple(row[name] for name in columns) for row in raw_rows("usage__broadband_daily")] == [
        (date(2026, 11, 19), 100, 1, 60, 1, 23),
        (date(2026, 11, 20), 900, 9, 30, 1, 20),
    ]


def test_a_failure_leaves_the_other_extracts_and_absent_ones_alone(
    deliver: Deliver, tmp_path: Path
) -> None:
    deliver("crm", "customer", "a.csv", b"")
    deliver("line", "optical_reading", "a.csv", readings("S1,2026-11-20 10:00:00,downstream,20,dB"))
    statuses = {load.extract: load.status for load in load_all(NIGHT, tmp_path)}
    assert statuses["customer"] == "failed"
    assert statuses["optical_reading"] == "loaded"
    assert statuses["payment"] == "absent"


def test_the_night_loads_earlier_dates_it_does_not_know(deliver: Deliver, tmp_path: Path) -> None:
    row = "S1,2026-11-01 10:00:00,downstream,20,dB"
    deliver("line", "optical_reading", "a.csv", readings(row), date(2026, 11, 1))
    deliver("line", "optical_reading", "a.csv", readings(row), date(2026, 11, 21))
    loaded = [item.business_date for item in load_all(NIGHT, tmp_path) if item.status == "loaded"]
    assert loaded == [date(2026, 11, 1)]
    assert [item for item in load_all(NIGHT, tmp_path) if item.status == "loaded"] == []


def test_errors_and_logs_hold_no_personal_data(
    deliver: Deliver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = customer("C1").replace("||", "|320000199001311234|16100000001", 1)
    deliver("crm", "customer", "a.csv", customers(row + "|too|many", row.replace("female", "x")))
    load("customer", tmp_path)
    assert len(rejected()) == 2
    assert "16100000001" not in caplog.text
    assert "32000019900131" not in caplog.text


def test_a_header_that_swallowed_a_row_is_not_told(deliver: Deliver, tmp_path: Path) -> None:
    """The line break after the header is missing: its last names are values of a customer."""
    row = customer("C1").replace("||", "|320000199001311234|16100000001", 1)
    deliver(
        "crm",
        "customer",
        "a.csv",
        customers(row, header=CUSTOMER_HEADER + "|").replace(b"|\n", b"|", 1),
    )
    result = load("customer", tmp_path)
    assert "16100000001" not in str(result)
    assert "that are no names" in str(result)


def test_a_failed_file_that_was_taken_away_fails_no_longer(
    deliver: Deliver, tmp_path: Path
) -> None:
    path = deliver("crm", "customer", "a.csv", b"")
    assert load("customer", tmp_path).status == "failed"
    path.unlink()
    assert load("customer", tmp_path).status == "absent"
    assert ledger() == []
