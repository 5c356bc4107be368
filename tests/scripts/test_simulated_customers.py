"""What is planted and known of simulated customers: fleas, clues in notes, and the truth of each.

The truth is held against the rows that are delivered, which are read here in another way.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.contracts import read_extracts
from scripts.simulate_operator import hoppers, notes
from scripts.simulate_operator.customer_truth import ClueTruth
from scripts.simulate_operator.extracts import World, extract_functions, simulate
from scripts.simulate_operator.flea_truth import flea_customers, same_persons
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.rendering import contract_slices
from scripts.simulate_operator.timeline import deliveries, end_of

BUSINESS_DATE = date(2026, 11, 20)
END = pd.Timestamp("2026-11-21")
CONTRACTS = {str(extract): extract for extract in read_extracts()}
PARAMETERS = Parameters(business_date=BUSINESS_DATE, customer_count=3000)


class Delivered:
    """All rows of each extract in the contract's types, read once; of a snapshot the last ones."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._frames: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            due = deliveries(BUSINESS_DATE, self.world.parameters.history_days)
            if CONTRACTS[name].delivery_mode == "snapshot":
                due = due[-1:]
            frames = [
                part.to_pandas().assign(delivered=delivery.business_date)
                for delivery in due
                for block in extract_functions()[name](self.world, delivery)
                for part in contract_slices(CONTRACTS[name], block)
            ]
            self._frames[name] = pd.concat(frames, ignore_index=True)
        return self._frames[name]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(PARAMETERS)


@pytest.fixture(scope="module")
def delivered(world: World) -> Delivered:
    return Delivered(world)


@pytest.fixture(scope="module")
def populations(world: World) -> pd.Series:
    return flea_customers(world).set_index("customer_id")["population"]


def _in_use(world: World, *kinds: int) -> pd.DataFrame:
    """Return the subscriptions in use of the planted persons of these kinds."""
    numbers = world.hoppers.numbers
    subscriptions = world.population.subscriptions.iloc[-len(numbers) :]
    is_meant = numbers["kind"].isin(kinds) & numbers["ended"].isna()
    return subscriptions[is_meant.to_numpy()]


def _pattern(delivered: Delivered, customer_id: str) -> dict[str, Any]:
    """Tell from the delivered rows alone what makes a flea of a customer."""
    links = delivered["crm.customer_link"].query("link_kind == 'same_person'")
    ids = {customer_id, *links.loc[links["customer_id"] == customer_id, "linked_customer_id"]}
    held = delivered["crm.subscription"]
    held = held[held["customer_id"].isin(ids) & (held["product_type"] == "mobile")]
    held = held[held["activated_at"] >= END - pd.DateOffset(months=24)]
    invoices, payments = delivered["billing.invoice"], delivered["billing.payment"]
    invoices = invoices[invoices["account_id"].isin(held["account_id"])]
    paid = payments.set_index("invoice_id")["paid_at"]
    paid_at = invoices["invoice_id"].map(paid[paid.index.notna()])
    due_end = pd.to_datetime(invoices["due_date"]) + pd.Timedelta(days=1)
    late = set(
        invoices.loc[(paid_at >= due_end) | (paid_at.isna() & (due_end <= END)), "account_id"]
    )
    unpaid = set(invoices.loc[paid_at.isna(), "account_id"])
    events = delivered["crm.subscription_event"].query("event_kind == 'arrears_suspension'")
    ruined = 0
    for line in held.dropna(subset=["terminated_at"]).to_dict("records"):
        stops = events.loc[events["subscription_id"] == line["subscription_id"], "occurred_at"]
        ruined += (
            line["termination_kind"] == "passive"
            and line["terminated_at"] < line["activated_at"] + pd.DateOffset(months=6)
            and bool((stops < line["terminated_at"]).any())
            and line["account_id"] in unpaid
        )
    current = held[held["terminated_at"].isna()]
    return {
        "ids": ids,
        "opened": len(held),
        "ruined": ruined,
        "is_late": bool(current["account_id"].isin(late).any()),
    }


def test_fleas_are_planted_under_one_record_and_over_linked_ones(
    world: World, delivered: Delivered, populations: pd.Series
) -> None:
    fleas = populations.index[populations == "flea"]
    served = delivered["crm.subscription"].query("terminated_at.isna()")["customer_id"].nunique()
    assert len(fleas) >= 6
    assert 0.004 < len(fleas) / served < 0.008
    for kind, records in ((hoppers.ONE_RECORD, 1), (hoppers.LINKED, 3)):
        planted = _in_use(world, kind)["customer_id"]
        assert len(planted) >= 3
        assert set(planted) <= set(fleas)
        for customer_id in planted:
            found = _pattern(delivered, customer_id)
            assert len(found["ids"]) == records
            assert found["opened"] >= 3
            assert found["ruined"] >= 2
            assert found["is_late"]


@pytest.mark.parametrize(
    ("kind", "met"),
    [
        (hoppers.LASTING, {"opened": 3, "ruined": 1, "is_late": True}),
        (hoppers.HONEST, {"opened": 3, "ruined": 0, "is_late": False}),
        (hoppers.EARLY, {"opened": 2, "ruined": 0, "is_late": True}),
        (hoppers.FAMILY, {"opened": 1, "ruined": 0, "is_late": True}),
    ],
)
def test_who_misses_the_pattern_by_one_thing_is_no_flea(
    kind: int,
    met: dict[str, Any],
    world: World,
    delivered: Delivered,
    populations: pd.Series,
) -> None:
    planted = _in_use(world, kind)["customer_id"]
    assert len(planted) > 0
    for customer_id in planted:
        found = _pattern(delivered, customer_id)
        found.pop("ids")
        assert found == met
        assert populations[customer_id] == "ordinary_low_arpu"


def test_no_other_customer_has_the_pattern(
    world: World, delivered: Delivered, populations: pd.Series
) -> None:
    """Whoever is no flea has too few short-lived numbers, or pays for the one in use."""
    fleas = set(populations.index[populations == "flea"])
    held = delivered["crm.subscription"].query("termination_kind == 'passive'")
    soon = held["activated_at"] + pd.DateOffset(months=6)
    owners = set(held.loc[held["terminated_at"] < soon, "customer_id"])
    links = delivered["crm.customer_link"].query("link_kind == 'same_person'")
    owners |= set(links.loc[links["linked_customer_id"].isin(owners), "customer_id"])
    served = set(delivered["crm.subscription"].query("terminated_at.isna()")["customer_id"])
    assert len(owners & served - fleas) > 10
    for customer_id in sorted(owners & served - fleas):
        found = _pattern(delivered, customer_id)
        assert found["opened"] < 3 or found["ruined"] < 2 or not found["is_late"]


def test_low_revenue_is_loyal_or_ordinary(delivered: Delivered, populations: pd.Series) -> None:
    invoices, payments = delivered["billing.invoice"], delivered["billing.payment"]
    held = delivered["crm.subscription"]
    served = held.loc[held["terminated_at"].isna(), "customer_id"].unique()
    bills = invoices.groupby(["customer_id", "billing_month"])["invoice_amount"].sum()
    last = bills.astype(float).groupby("customer_id").tail(3).groupby("customer_id").mean()
    low = set(last.index[last < 40]) & set(served)
    fleas = set(populations.index[populations == "flea"])
    assert low - fleas == set(populations.index[populations != "flea"])

    paid = payments.dropna(subset=["invoice_id"]).set_index("invoice_id")["paid_at"]
    paid_date = invoices["invoice_id"].map(paid).dt.date.fillna(BUSINESS_DATE + timedelta(days=1))
    late = set(invoices.loc[paid_date > invoices["due_date"], "customer_id"])
    registered = delivered["crm.customer"].set_index("customer_id")["registered_date"]
    loyal = populations.index[populations == "loyal_low_arpu"]
    assert len(loyal) / len(served) > 0.03
    assert (registered[loyal] <= date(2023, 11, 20)).all()
    assert not late & set(loyal)
    ordinary = populations.index[populations == "ordinary_low_arpu"]
    is_short = (registered[ordinary] > date(2023, 11, 20)).to_numpy()
    assert len(ordinary) / len(served) > 0.02
    assert (is_short | ordinary.isin(late)).all()
    assert is_short.any()
    assert not is_short.all()


def test_the_records_of_a_hopper_are_one_person(world: World) -> None:
    customers = world.population.customers
    person = same_persons(world, end_of(BUSINESS_DATE))
    linked = _in_use(world, hoppers.LINKED)["customer"].to_numpy()
    family = _in_use(world, hoppers.FAMILY)["customer"].to_numpy()
    for row in linked:
        records = customers[person == person[row]]
        assert len(records) == 3
        assert records["identity_number"].nunique() == 1
        assert records["customer_name"].nunique() == 1
    assert all((person == person[row]).sum() == 1 for row in family)


def test_hoppers_change_nothing_for_anybody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who leaves nor what they pay nor the faults, on which the warnings rest."""
    monkeypatch.setattr(hoppers, "FIGURES", hoppers.Figures(share=0.02))
    more = simulate(PARAMETERS)
    first = world.hoppers.first_customer
    assert more.hoppers.first_customer == first
    assert len(more.population.customers) > len(world.population.customers)
    for name in ("hazard", "is_churned", "terminated_at"):
        one, other = (getattr(item.churn, name)[:first] for item in (world, more))
        np.testing.assert_array_equal(one, other)
    count = len(world.population.subscriptions) - len(world.hoppers.numbers)
    pd.testing.assert_frame_equal(
        world.population.subscriptions.iloc[:count], more.population.subscriptions.iloc[:count]
    )
    bills = len(world.invoices) - len(world.hoppers.invoices["account"])
    pd.testing.assert_frame_equal(
        world.invoices.iloc[:bills], more.invoices.iloc[:bills], check_categorical=False
    )
    pd.testing.assert_frame_equal(world.faults.tickets, more.faults.tickets)


def test_clues_of_notes_are_those_that_are_delivered(world: World, delivered: Delivered) -> None:
    truth = ClueTruth(world)
    for delivery in deliveries(BUSINESS_DATE):
        for interactions in extract_functions()["contact_center.interaction"](world, delivery):
            truth.see_interactions(interactions)
    clues = truth.note_clues()
    noted = delivered["contact_center.interaction"].dropna(subset=["note"])
    found = {
        (customer_id, clue.code, clue.value)
        for customer_id, note in zip(noted["customer_id"], noted["note"], strict=True)
        for clue in notes.CLUES
        if note.endswith(clue.phrases) and not note.endswith(notes.MISLEADING)
    }
    assert set(clues.itertuples(index=False, name=None)) == found
    assert not clues.duplicated().any()
    assert 0.05 < clues["customer_id"].nunique() / PARAMETERS.customer_count < 0.15
    kinds = clues["attribute_code"] + "=" + clues["attribute_value"]
    assert set(kinds) == {
        "preferred_contact_time=evening", "preferred_contact_time=weekend",
        "household=child", "household=elderly", "hobby=games", "hobby=video", "hobby=sport",
        "income_band=retired", "income_band=low",
    }  # fmt: skip
    assert clues.groupby(["customer_id", "attribute_code"]).size().max() == 1


def test_notes_vary_and_some_only_sound_like_a_clue(delivered: Delivered) -> None:
    noted = delivered["contact_center.interaction"]["note"].dropna()
    said = noted.str.rpartition("；")[2]
    assert said.nunique() > 80
    assert noted.str.contains("[０-９]").any()
    assert noted.str.contains(r"[\u4e00-\u9fff] [\u4e00-\u9fff]").any()
    assert said.isin(notes.MISLEADING).sum() > 30
    assert noted.str.startswith(notes.COMPLAINT_NOTES).mean() > 0.3
    for text in notes.TEXTS.to_pylist():
        assert text.encode("gb18030").decode("gb18030") == text


def test_only_persons_of_the_age_tell_a_clue(world: World) -> None:
    customers = world.population.customers
    told = world.sources["contacts"].clues
    age = (END - customers["birth_date"]).dt.days / 365.25
    for number, clue in enumerate(notes.CLUES):
        ages = age[(told == number).any(axis=1)]
        assert len(ages) > 10
        assert ages.between(*clue.ages).all()
    assert not (told[(customers["gender"] == "unknown").to_numpy()] >= 0).any()
