"""When sources owe their deliveries: what the contracts say, and what holds if they are silent."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from scripts.contracts import read_extracts
from scripts.delivery_terms import OWES_NOTHING, awaited_sources, read_terms

SILENT = "name: plant\nschema: []\n"
STATED = """\
name: plant
slaProperties:
  - {property: latency, value: 2, unit: d, element: reading.measured_at}
  - {property: timeOfAvailability, value: "04:15"}
  - {property: frequency, value: 1, unit: m, element: invoice}
  - {property: frequency, value: 2, unit: w, element: visit}
"""


@pytest.mark.parametrize(
    ("text", "due_time", "days"),
    [
        (SILENT, time(2, 30), {"reading": 1, "invoice": 1}),
        (STATED, time(4, 15), {"reading": 1, "invoice": 31, "visit": 14}),
    ],
)
def test_the_contract_says_when_and_how_often(
    tmp_path: Path, text: str, due_time: time, days: dict[str, int]
) -> None:
    (tmp_path / "plant.yml").write_text(text, encoding="utf-8")
    terms = read_terms("plant", tmp_path)
    assert terms.due_time == due_time
    assert {extract: terms.days_between(extract) for extract in days} == days


def test_a_delivery_is_due_in_the_night_after_its_business_date() -> None:
    due_at = read_terms("crm").due_at(date(2026, 11, 20))
    assert due_at == datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


def test_every_source_with_a_contract_is_awaited_but_the_dialer() -> None:
    sources = {extract.source for extract in read_extracts()}
    assert len(sources) >= 5
    assert set(awaited_sources()) == sources - OWES_NOTHING
