"""Deliveries that go wrong as a whole: which extract, when, how, and what must become of it.

A fault never costs the truth anything: what does not arrive comes with the next delivery, with the
next snapshot, or in a corrected file for the same day (`correct`). Nothing is wrong with the last
business date's own files that would keep them from being loaded in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts import Column, Extract
from scripts.simulate_operator.landing import Shape

NEW_COLUMN = "source_batch"
OTHER_DATE_FORMATS = {"date": "%d/%m/%Y", "timestamp": "%d/%m/%Y %H:%M:%S"}


class Recovery(StrEnum):
    """How the rows that a fault withholds arrive in the end."""

    NOT_NEEDED = "not needed"
    NEXT_DELIVERY = "with the next delivery"
    CORRECTED_FILE = "in a corrected file"


class Content(StrEnum):
    """Which of its rows a faulty file holds."""

    ALL = "all"
    NONE = "none"
    PUNCTUAL = "all but the late ones"
    NO_FILE = "no file"


ShapeChange = Callable[[Extract, Shape], Shape]


@dataclass(frozen=True)
class DeliveryFault:
    """One planted fault.

    `before_last` counts the extract's deliveries back from its last one. `status`, `warning` and
    `error` are what the loader's ledger must say, the latter two a phrase of it.
    """

    kind: str
    extract: str
    before_last: int
    change: ShapeChange = lambda extract, shape: shape
    content: Content = Content.ALL
    recovery: Recovery = Recovery.NOT_NEEDED
    status: str = "loaded"
    warning: str = ""
    error: str = ""
    is_rejected: bool = False  # every row breaks the contract


def optional_column(extract: Extract) -> Column:
    """Return the column that a file with a missing optional column lacks: the last such."""
    return [column for column in extract.columns if not column.is_required][-1]


def required_column(extract: Extract) -> Column:
    return [column for column in extract.columns if column.is_required][-1]


def _in_format(name: str) -> ShapeChange:
    return lambda extract, shape: replace(shape, format=name)


def _without(chosen: Callable[[Extract], Column]) -> ShapeChange:
    def changed(extract: Extract, shape: Shape) -> Shape:
        name = chosen(extract).name
        return replace(shape, change=lambda table: table.drop_columns(name))

    return changed


def _backwards(extract: Extract, shape: Shape) -> Shape:
    return replace(shape, change=lambda table: table.select(table.column_names[::-1]))


def _with_new_column(extract: Extract, shape: Shape) -> Shape:
    def changed(table: pa.Table) -> pa.Table:
        return table.append_column(NEW_COLUMN, pa.array(["B01"] * len(table), pa.string()))

    return replace(shape, change=changed)


def _integers_as_text(extract: Extract, shape: Shape) -> Shape:
    names = [column.name for column in extract.columns if column.logical_type == "integer"]

    def changed(table: pa.Table) -> pa.Table:
        for name in names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.string()))
        return table

    return replace(shape, change=changed)


def _in_other_date_format(extract: Extract, shape: Shape) -> Shape:
    column = next(
        item
        for item in extract.columns
        if item.is_required and item.logical_type in OTHER_DATE_FORMATS
    )
    pattern = OTHER_DATE_FORMATS[column.logical_type]

    def changed(table: pa.Table) -> pa.Table:
        place = table.column_names.index(column.name)
        return table.set_column(place, column.name, pc.strftime(table[column.name], pattern))

    return replace(shape, change=changed)


FAULTS = (
    DeliveryFault(
        "byte order mark",
        "billing.payment",
        1,
        lambda extract, shape: replace(shape, has_byte_order_mark=True),
    ),
    DeliveryFault("gzip instead of plain CSV", "crm.subscription", 2, _in_format("csv.gz")),
    DeliveryFault("Parquet instead of CSV", "crm.customer", 3, _in_format("parquet")),
    DeliveryFault(
        "several files",
        "line.optical_reading",
        2,
        lambda extract, shape: replace(shape, is_split=True),
    ),
    DeliveryFault(
        "same file under another name",
        "line.optical_reading",
        4,
        lambda extract, shape: replace(shape, is_doubled=True),
    ),
    DeliveryFault(
        "missing day",
        "billing.payment",
        5,
        content=Content.NO_FILE,
        recovery=Recovery.NEXT_DELIVERY,
        status="absent",
    ),
    DeliveryFault(
        "late rows withheld",
        "billing.payment",
        3,
        content=Content.PUNCTUAL,
        recovery=Recovery.NEXT_DELIVERY,
    ),
    DeliveryFault(
        "empty file",
        "channel.echannel_session",
        4,
        lambda extract, shape: replace(shape, is_empty=True),
        content=Content.NONE,
        recovery=Recovery.NEXT_DELIVERY,
        status="failed",
        error="the file is empty",
    ),
    DeliveryFault(
        "header only",
        "contact_center.call",
        5,
        content=Content.NONE,
        recovery=Recovery.NEXT_DELIVERY,
    ),
    DeliveryFault("header in another order", "crm.plan", 2, _backwards),
    DeliveryFault(
        "new column",
        "crm.customer",
        1,
        _with_new_column,
        warning=f"columns not in the contract, left out: {NEW_COLUMN}",
    ),
    DeliveryFault(
        "missing optional column",
        "crm.customer",
        2,
        _without(optional_column),
        warning="optional columns missing, loaded as null",
    ),
    DeliveryFault(
        "missing required column",
        "contact_center.call",
        3,
        _without(required_column),
        recovery=Recovery.NEXT_DELIVERY,
        status="failed",
        error="required columns missing",
    ),
    DeliveryFault("integers as text in Parquet", "usage.broadband_hourly", 3, _integers_as_text),
    DeliveryFault(
        "date in another format",
        "line.optical_reading",
        6,
        _in_other_date_format,
        recovery=Recovery.NEXT_DELIVERY,
        is_rejected=True,
    ),
    DeliveryFault(
        "truncated file",
        "crm.subscription",
        4,
        lambda extract, shape: replace(shape, cut_bytes=10),
        recovery=Recovery.CORRECTED_FILE,
        status="failed",
        error="truncated",
    ),
    DeliveryFault(
        "truncated gzip file",
        "channel.echannel_session",
        2,
        lambda extract, shape: replace(shape, cut_bytes=10),
        recovery=Recovery.CORRECTED_FILE,
        status="failed",
        error="truncated gzip",
    ),
    DeliveryFault(
        "UTF-8 instead of GB18030",
        "crm.customer",
        5,
        lambda extract, shape: replace(shape, encoding="utf-8"),
        recovery=Recovery.CORRECTED_FILE,
        status="failed",
        error="wrong encoding",
    ),
)
# Texts that are right, but easily misread; they are counted in the extract's first delivery.
HARD_TEXTS = {
    "crm.customer": {"character whose second byte is the delimiter": "東"},
    "fault.trouble_ticket": {"quoted line break": "\n", "quoted delimiter": "|"},
}
LATE_EVERY = 10  # every tenth row of a delivery with late rows comes a day later
