"""What is planted and known of simulated customers: fleas, clues in notes, and the truth of each.

The truth is held against the rows that are delivered, which are read here in another way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.contracts import read_extracts
from scripts.simulate_operator import hoppers, notes
from scripts.simulate_operator.clue_truth import ClueTruth
from scripts.simulate_operator.customer_truth import CustomerTruth
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.extracts import World, extract_functions, simulate
from scripts.simulate_operator.flea_truth import flea_customers, same_persons
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.rendering import contract_slices
from scripts.simulate_operator.timeline import deliveries, end_of

BUSINESS_DATE = date(2026, 11, 20)
END = pd.Timestamp("2026-11-21")
CONTRACTS = {str(extract): extract for extract in read_extracts()}
PARAMETERS = Parameters(business_date=BUSINESS_DATE, customer_count=1500)
SMALL = replace(PARAMETERS, customer_count=400, history_days=25)


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
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who leaves nor what they pay nor the faults, on which the warnings rest."""
    monkeypatch.setattr(hoppers, "FIGURES", hoppers.Figures(share=0.05))
    world, more = small_world, simulate(SMALL)
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


def test_clues_of_notes_are_those_that_are_delivered(
    delivered: Delivered, truths: tuple[CustomerTruth, ClueTruth]
) -> None:
    clues = truths[1].note_clues()
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


def _let_see(world: World, *truths: CustomerTruth | ClueTruth, newest_first: bool = False) -> None:
    """Show everything that is delivered to the truths."""
    due = deliveries(BUSINESS_DATE, world.parameters.history_days)
    names = dict.fromkeys(name for truth in truths for name in truth.looks)
    for delivery in due[::-1] if newest_first else due:
        for name in names:
            looks = [truth.looks[name] for truth in truths if name in truth.looks]
            if any(look.is_due(delivery) for look in looks):
                for block in extract_functions()[name](world, delivery):
                    for look in looks:
                        look.see(block)


@pytest.fixture(scope="module")
def truths(world: World) -> tuple[CustomerTruth, ClueTruth]:
    found = CustomerTruth(world), ClueTruth(world)
    _let_see(world, *found)
    return found


@pytest.fixture(scope="module")
def small_world() -> World:
    return simulate(SMALL)


def _frame(truth: CustomerTruth) -> pd.DataFrame:
    frame: pd.DataFrame = truth.table().to_pandas()
    return frame.set_index("customer_id")


def _month_of_charges(delivered: Delivered) -> pd.DataFrame:
    services = delivered["usage.value_added_monthly"]
    is_latest = services["usage_month"] == services["usage_month"].max()
    return pd.DataFrame(services[is_latest])


def _expected_contacts(delivered: Delivered) -> dict[str, pd.Series]:
    contacts = delivered["contact_center.interaction"].query("contacted_at < @END")
    recent = contacts[contacts["contacted_at"] >= pd.Timestamp("2026-08-21")]
    complaints = recent[recent["interaction_kind"] == "complaint"]
    last = contacts[contacts["interaction_kind"] == "complaint"].groupby("customer_id")
    return {
        "complaint_count_3m": complaints.groupby("customer_id").size(),
        **{
            f"{name}_complaint_count_3m": complaints[complaints["complaint_category"] == name]
            .groupby("customer_id")
            .size()
            for name in ("fee", "network", "service")
        },
        "last_complaint_date": last["contacted_at"].max().dt.date,
        "bill_query_count_3m": recent[recent["interaction_kind"] == "bill_query"]
        .groupby("customer_id")
        .size(),
    }


def _expected_use(delivered: Delivered, owner: pd.Series) -> dict[str, pd.Series]:
    use = delivered["usage.mobile_daily"]
    use = use.assign(customer_id=use["subscription_id"].map(owner))
    use = use.assign(kb=use["cmnet_kb"] + use["cmwap_kb"])
    month = use[use["usage_date"] >= date(2026, 11, 1)].groupby("customer_id")
    recent = use[use["usage_date"] >= date(2026, 10, 22)].groupby("customer_id")
    stays = delivered["usage.roaming"].query("@pd.Timestamp('2026-09-21') <= started_at < @END")
    stayed = stays.assign(customer_id=stays["subscription_id"].map(owner)).groupby("customer_id")
    return {
        "data_mb_month": month["kb"].sum() / 1024,
        "data_mb_30d": recent["kb"].sum() / 1024,
        "voice_minutes_30d": recent["outgoing_minutes"].sum() + recent["incoming_minutes"].sum(),
        "sms_count_30d": recent["sms_count"].sum(),
        "roaming_count_2m": stayed.size(),
        "roaming_fee_amount_2m": stayed["roaming_fee_amount"].sum(),
    }


def _expected_services(delivered: Delivered, owner: pd.Series) -> dict[str, pd.Series]:
    services = _month_of_charges(delivered)
    held = delivered["crm.subscription"].query("terminated_at.isna()")["subscription_id"]
    services = services.assign(
        customer_id=services["subscription_id"].map(owner),
        fee=services["function_fee_amount"] + services["information_fee_amount"],
        is_held=services["unsubscribed_at"].isna() & services["subscription_id"].isin(held),
    )
    packages = services[services["service_kind"] == "data_package"]
    tones = services[(services["service_kind"] == "ring_back_tone") & services["is_held"]]
    current = packages[packages["is_held"]].groupby("customer_id")
    others = services[services["service_kind"] != "data_package"]
    return {
        "data_used_ratio": current["used_kb"].sum() / current["allowance_kb"].sum(),
        "has_ring_back_tone": tones.groupby("customer_id").size() > 0,
        "data_package_fee_amount": packages.groupby("customer_id")["fee"].sum(),
        "value_added_fee_amount": others.groupby("customer_id")["fee"].sum(),
    }


def _expected_state(delivered: Delivered, owner: pd.Series) -> dict[str, pd.Series]:
    held = delivered["crm.subscription"].query("terminated_at.isna()")
    points = delivered["crm.loyalty_points"].sort_values("changed_at", kind="stable")
    devices = delivered["crm.device"].sort_values("changed_at", kind="stable")
    devices = devices.drop_duplicates("device_id", keep="last").query("device_state == 'in_use'")
    devices = devices[
        (devices["device_kind"] == "mobile_phone")
        & devices["subscription_id"].isin(held["subscription_id"])
    ].sort_values(["first_seen_at", "device_id"])
    invoices = delivered["billing.invoice"]
    bills = invoices.groupby(["customer_id", "billing_month"])["invoice_amount"].sum()
    return {
        "active_subscription_count": held.groupby("customer_id").size(),
        "invoice_amount": bills.groupby("customer_id").tail(1).droplevel("billing_month"),
        "overdue_amount": delivered["billing.balance"]
        .groupby("customer_id")["overdue_amount"]
        .sum(),
        "points_balance_count": points.groupby("customer_id")["points_balance_count"].last(),
        "device_model": devices.assign(customer_id=devices["subscription_id"].map(owner))
        .groupby("customer_id")["model_name"]
        .last(),
    }


UNKNOWN = {"last_complaint_date", "data_used_ratio", "invoice_amount", "points_balance_count"}
UNKNOWN |= {"device_model"}  # null where there is nothing, the others zero


def test_truth_of_customers_is_what_the_delivered_rows_say(
    delivered: Delivered, truths: tuple[CustomerTruth, ClueTruth]
) -> None:
    expected = _check(_frame(truths[0]), delivered)
    assert {name for name, values in expected.items() if values.notna().sum() <= 5} == set()


def test_truth_counts_only_the_days_that_are_delivered(small_world: World) -> None:
    truth = CustomerTruth(small_world)
    _let_see(small_world, truth)
    _check(_frame(truth), Delivered(small_world))


def _check(truth: pd.DataFrame, delivered: Delivered) -> dict[str, pd.Series]:
    """Hold the truth against what is delivered, and return that by column."""
    owner = delivered["crm.subscription"].set_index("subscription_id")["customer_id"]
    assert list(truth.index) == list(delivered["crm.customer"]["customer_id"])
    expected = {
        **_expected_contacts(delivered),
        **_expected_use(delivered, owner),
        **_expected_services(delivered, owner),
        **_expected_state(delivered, owner),
    }
    assert set(expected) == set(truth.columns)
    for name, values in expected.items():
        wanted = values.reindex(truth.index)
        if name in ("last_complaint_date", "device_model"):
            known = truth[name].notna()
            assert (known == wanted.notna()).all(), name
            assert (truth.loc[known, name] == wanted[known]).all(), name
            continue
        wanted = wanted.astype(float) if name in UNKNOWN else wanted.astype(float).fillna(0)
        tolerance = 6e-5 if name == "data_used_ratio" else 6e-4
        np.testing.assert_allclose(
            truth[name].astype(float), wanted, rtol=0, atol=tolerance, err_msg=name
        )
    return expected


def test_truth_does_not_depend_on_the_order_in_which_rows_are_seen(small_world: World) -> None:
    forwards, backwards = CustomerTruth(small_world), CustomerTruth(small_world)
    _let_see(small_world, forwards)
    _let_see(small_world, backwards, newest_first=True)
    assert forwards.table().equals(backwards.table())


def test_truth_is_written_as_it_is(truths: tuple[CustomerTruth, ClueTruth], tmp_path: Path) -> None:
    truth = truths[0]
    truth.write(tmp_path / "customer_truth.csv")
    written = pd.read_csv(tmp_path / "customer_truth.csv", index_col="customer_id")
    expected = _frame(truth)
    assert list(written.columns) == list(expected.columns)
    for name in ("overdue_amount", "invoice_amount", "active_subscription_count"):
        np.testing.assert_allclose(written[name], expected[name].astype(float))
    assert (written["device_model"].dropna() == expected["device_model"].dropna()).all()


def test_truth_files_are_written_with_the_last_delivery(tmp_path: Path) -> None:
    """On the last day alone the rest is looked at without being delivered again."""
    few_days = replace(SMALL, customer_count=300, history_days=2)
    deliver(few_days, tmp_path / "once", tmp_path / "truth_once")
    deliver(few_days, tmp_path / "last", tmp_path / "truth_last", BUSINESS_DATE, BUSINESS_DATE)
    for name in ("customer_truth", "flea_customer", "note_clue", "expected_warning"):
        once, last = (tmp_path / f"truth_{run}" / f"{name}.csv" for run in ("once", "last"))
        assert once.read_bytes() == last.read_bytes()
    assert len((tmp_path / "truth_last" / "customer_truth.csv").read_text().splitlines()) > 300
