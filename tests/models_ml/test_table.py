"""Reading any CSV or Parquet file as features and labels."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models_ml.table import (
    MINIMUM_POSITIVES,
    TableError,
    TableRequest,
    columns_named,
    decode,
    read_raw,
    read_table,
    same_value,
    separator_of,
    typed,
)

ROW_COUNT = 200
REQUEST = TableRequest(label="left", positive="yes")


def customers(row_count: int = ROW_COUNT) -> pd.DataFrame:
    """Return distinct customers, a quarter of them gone."""
    number = np.arange(row_count)
    return pd.DataFrame(
        {
            "customer": [f"c{place}" for place in number],
            "rent": number * 1.5 + 0.25,
            "tariff": np.where(number % 3 == 0, "basic", "flat; all, in"),
            "left": np.where(number % 4 == 0, "yes", "no"),
        }
    )


def written(folder: Path, frame: pd.DataFrame, name: str = "t.csv", **options: object) -> Path:
    file = folder / name
    file.write_text(frame.to_csv(index=False, **options), encoding="utf-8")  # type: ignore[call-overload]
    return file


def zipped(content: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(content)
    return buffer.getvalue().to_pybytes()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zstandard,
        lambda content: zipped(content, "t.csv", "__MACOSX/._t.csv"),
    ],
    ids=["plain", "gzip", "bz2", "xz", "zstd", "zip"],
)
def test_compression_is_detected_whatever_the_name(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "delivery.dat"
    file.write_bytes(pack(customers().to_csv(index=False).encode()))
    table = read_table(file, REQUEST)
    assert table.features["rent"].tolist() == customers()["rent"].tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_detected_beside_quoted_ones(tmp_path: Path, separator: str) -> None:
    raw = read_raw(written(tmp_path, customers(), sep=separator))
    assert raw.columns.tolist() == ["customer", "rent", "tariff", "left"]
    assert set(raw["tariff"]) == {"basic", "flat; all, in"}


def test_a_text_without_separator_is_one_column() -> None:
    assert separator_of("left\nyes\nno\n") == ","


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("城市,客户\n北京,张三\n", "gb18030"),
        ("城市,客户\n北京,张三\n", "utf-8-sig"),
        ("城市,客户\n北京,张三\n", "utf-16"),
        ("ville,prénom\nBesançon,Zoé\nNîmes,Léa\n", "cp1252"),
    ],
)
def test_encoding_is_detected(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_parquet_file_gives_what_its_csv_gives(tmp_path: Path) -> None:
    is_even = np.arange(ROW_COUNT) % 2 == 0
    dates = pd.to_datetime(np.where(is_even, "2026-01-04", "2026-01-05"))
    frame = customers().assign(since=dates, is_new=~is_even)
    frame.to_parquet(tmp_path / "t.parquet")
    of_parquet = read_table(tmp_path / "t.parquet", REQUEST)
    of_csv = read_table(written(tmp_path, frame), REQUEST)
    pd.testing.assert_frame_equal(of_parquet.features, of_csv.features)
    np.testing.assert_array_equal(of_parquet.is_positive, of_csv.is_positive)
    assert of_csv.features["since"].tolist()[:2] == [20457.0, 20458.0]  # days since 1970


@pytest.mark.parametrize("blank", ["", " ", "?", "NA", "null", "NaN", "n/a"])
def test_every_way_to_say_missing(tmp_path: Path, blank: str) -> None:
    frame = customers().astype({"rent": object})
    frame.loc[:4, "rent"] = blank
    frame.loc[:4, "tariff"] = blank
    features = read_table(written(tmp_path, frame), REQUEST).features
    assert features["rent"].isna().sum() == 5
    assert features["tariff"].isna().sum() == 5
    assert features["rent"].dtype == np.float64


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2.5", "-3e2"], [1, 2.5, -300]),
        (["1,234.5", "12", "3,000"], [1234.5, 12, 3000]),
        (["1,5", "2,25", "1.000,5"], [1.5, 2.25, 1000.5]),
        (["$5", "€ 6.5", "7 %"], [5, 6.5, 7]),
        (["True", "false", "TRUE"], [1, 0, 1]),
        (["1970-01-02", "1970-01-11", "1969-12-31"], [1, 10, -1]),
        (["31/01/1970", "01/02/1970", "02/02/1970"], [30, 31, 32]),
        (["1970-01-02 12:00", "1970-01-03 00:00", "1970-01-03 06:00"], [1.5, 2, 2.25]),
    ],
)
def test_text_becomes_numbers(texts: list[str], numbers: list[float]) -> None:
    assert typed(pd.Series(texts, dtype=object)).tolist() == numbers


def test_a_column_is_numeric_from_95_percent_of_numbers_on() -> None:
    column = pd.Series([str(number) for number in range(95)] + ["seldom"] * 5, dtype=object)
    assert typed(column).isna().sum() == 5
    column.iloc[0] = "seldom"
    assert typed(column).tolist() == column.tolist()


def test_a_dash_is_missing_among_numbers_and_a_value_among_texts() -> None:
    numbers = pd.Series(["1", "-", "2.5", "unknown", "None"] * 10, dtype=object)
    assert typed(numbers).dropna().unique().tolist() == [1, 2.5]
    tariffs = pd.Series(["basic", "none", "-"], dtype=object)
    assert typed(tariffs).tolist() == ["basic", "none", "-"]


def test_label_id_treatment_and_dropped_columns_are_no_features(tmp_path: Path) -> None:
    frame = customers().assign(arm="a", later=range(ROW_COUNT), score=1.5 * np.arange(ROW_COUNT))
    request = TableRequest("left", "yes", "customer", ("later,score",), "arm")
    table = read_table(written(tmp_path, frame), request)
    assert table.features.columns.tolist() == ["rent", "tariff"]
    assert table.treatment is not None and set(table.treatment) == {"a"}


def test_columns_that_tell_nothing_are_left_out_and_named(tmp_path: Path) -> None:
    frame = customers().assign(empty="", same="x", row=range(7, 7 + ROW_COUNT))
    table = read_table(written(tmp_path, frame), REQUEST)
    assert table.features.columns.tolist() == ["rent", "tariff"]
    assert len(table.notes) == 4  # and the customer's name
    for name in ("customer", "empty", "same", "row"):
        assert any(f"column {name} was left out" in note for note in table.notes)


def test_columns_named_one_each_or_with_commas() -> None:
    assert columns_named(["a,b", "c, d", "e,f"], ["a", "e,f"]) == ("a", "b", "c", "d", "e,f")


def test_same_value() -> None:
    assert same_value("1", "1.0") and same_value("TRUE", "true") and same_value(" Yes", "yes ")
    assert not same_value("1", "10") and not same_value("yes", "y")


def test_rows_delivered_twice_are_removed(tmp_path: Path) -> None:
    frame = customers().drop(columns="customer")
    twice = pd.concat([frame, frame.iloc[:30]])
    table = read_table(written(tmp_path, twice), REQUEST)
    assert (table.duplicates_removed, len(table.features)) == (30, ROW_COUNT)
    assert (table.rows_read, len(table.is_positive)) == (ROW_COUNT + 30, ROW_COUNT)


def test_repeated_rows_in_time_order_are_kept(tmp_path: Path) -> None:
    frame = customers().drop(columns="customer")
    twice = pd.concat([frame, frame.iloc[:30]])
    table = read_table(written(tmp_path, twice), TableRequest("left", "yes", in_time_order=True))
    assert (table.duplicates_removed, len(table.features)) == (0, ROW_COUNT + 30)


def test_an_id_makes_rows_distinct(tmp_path: Path) -> None:
    frame = customers()
    frame["rent"] = 5.0
    frame.loc[::2, "rent"] = 6.0
    twice = pd.concat([frame, frame.iloc[:30]])
    table = read_table(written(tmp_path, twice), TableRequest("left", "yes", "customer"))
    assert table.duplicates_removed == 30  # the same customer twice; those who look alike stay
    assert len(table.features) == ROW_COUNT


def test_a_row_of_one_customer_delivered_twice_is_removed_though_its_label_changes_later(
    tmp_path: Path,
) -> None:
    frame = customers()
    stayed = frame.assign(left="no")
    thrice = pd.concat([frame, stayed, stayed])
    table = read_table(written(tmp_path, thrice), TableRequest("left", "yes", "customer"))
    assert len(table.features) == ROW_COUNT + (frame["left"] == "yes").sum()


def test_a_dropped_column_makes_rows_distinct(tmp_path: Path) -> None:
    frame = customers().assign(rent=lambda rows: np.arange(len(rows)) % 2, seconds=range(ROW_COUNT))
    request = TableRequest("left", "yes", dropped=("seconds", "customer"))
    assert read_table(written(tmp_path, frame), request).duplicates_removed == 0


def test_customers_who_merely_look_alike_are_kept(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "months": chance.integers(1, 5, 400),
            "tariff": chance.choice(["a", "b"], 400),
            "left": np.where(chance.random(400) < 0.3, "yes", "no"),
        }
    )
    table = read_table(written(tmp_path, frame), REQUEST)
    assert (table.duplicates_removed, len(table.features)) == (0, 400)
    assert "different customers" in table.notes[0]


def test_rows_of_one_customer_share_a_group(tmp_path: Path) -> None:
    frame = customers().assign(customer=lambda rows: np.arange(len(rows)) // 2)
    table = read_table(written(tmp_path, frame), TableRequest("left", "yes", "customer"))
    assert table.groups is not None
    assert table.groups[:6].tolist() == [0, 0, 1, 1, 2, 2]
    alone = read_table(written(tmp_path, customers()), TableRequest("left", "yes", "customer"))
    assert alone.groups is None


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[:9, "left"] = None
    table = read_table(written(tmp_path, frame), REQUEST)
    assert (table.unlabelled_removed, len(table.is_positive)) == (10, ROW_COUNT - 10)


def test_too_few_positives(tmp_path: Path) -> None:
    frame = customers().assign(left=lambda rows: np.arange(len(rows)) < MINIMUM_POSITIVES)
    assert (
        read_table(written(tmp_path, frame), TableRequest("left", "True")).is_positive.sum() == 20
    )
    frame.loc[0, "left"] = False
    with pytest.raises(TableError, match=r"t\.csv: label column 'left' has too few.*: 19, 20"):
        read_table(written(tmp_path, frame), TableRequest("left", "True"))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TableRequest("gone", "yes"), r"t\.csv: there is no label column 'gone'; .*rent, tariff"),
        (TableRequest("left", "yes", "uid"), "there is no id column 'uid'"),
        (TableRequest("left", "yes", dropped=("x",)), "there is no dropped column 'x'"),
        (TableRequest("left", "yes", treatment="arm"), "there is no treatment column 'arm'"),
        (TableRequest("left", "maybe"), "'left' never has the value 'maybe'; its values are no, y"),
        (TableRequest("left", "yes", dropped=("customer", "rent", "tariff")), "no column is left"),
    ],
)
def test_what_is_asked_for_is_not_there(
    tmp_path: Path, request_: TableRequest, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read_table(written(tmp_path, customers()), request_)


def test_one_class_only(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="'left' has one class only: every row is 'yes'"):
        read_table(written(tmp_path, customers().assign(left="yes")), REQUEST)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"left,rent\n", "holds no rows below its header"),
        (b"left,left \nyes,no\nno,no\n", "column left occurs more than once"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (gzip.compress(b"left,rent\nyes,1\n", mtime=0)[:-9], "cannot be read"),
        (zipped(b"x", "a.csv", "b.csv"), r"an archive must hold one file, not a\.csv, b\.csv"),
        (b"PAR1 and nothing more", "cannot be read"),
        (b"left,rent\nyes,1\nno,2,3\n", "not a table"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    with pytest.raises(TableError, match=rf"bad\.csv: .*({message})"):
        read_table(file, REQUEST)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere\.csv: cannot be read: No such file"):
        read_table(tmp_path / "nowhere.csv", REQUEST)
