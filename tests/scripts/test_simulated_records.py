"""The simulated CRM records, service states, orders and line tests keep to their contracts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from scripts.contracts import read_extracts
from scripts.row_checks import check_batch
from scripts.simulate_operator import (
    customer_attributes,
    customer_records,
    extracts,
    hoppers,
    line_tests,
    orders,
    organisation,
    service_status,
)
from scripts.simulate_operator.extracts import World
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.rendering import contract_slices
from scripts.simulate_operator.timeline import Delivery, deliveries

BUSINESS_DATE = date(2026, 11, 20)
MODULES = (
    organisation,
    service_status,
    customer_records,
    customer_attributes,
    orders,
    line_tests,
)
CONTRACTS = {str(extract): extract for extract in read_extracts()}
NAMES = [name for module in MODULES for name in module.EXTRACTS]
SNAPSHOTS = [name for name in NAMES if CONTRACTS[name].delivery_mode == "snapshot"]
FUTURE_COLUMNS = {  # agreed or planned, so they may lie after the business date
    "end_date",
    "expiry_date",
    "valid_from",
    "valid_to",
    "start_date",
    "scheduled_at",
    "pending_work_due_date",
    "planned_suspension_date",
    "oldest_unpaid_due_date",
}


def _world(customers: int = 4000, seed: int = 7) -> World:
    parameters = Parameters(business_date=BUSINESS_DATE, customer_count=customers, seed=seed)
    return extracts.simulate(parameters)


def _module(name: str) -> ModuleType:
    return next(module for module in MODULES if name in module.EXTRACTS)


def _rows(world: World, name: str, delivery: Delivery) -> pa.Table:
    """Return one delivery in the contract's types; a row that breaks the contract fails."""
    extract = CONTRACTS[name]
    tables = []
    for block in _module(name).EXTRACTS[name](world, delivery):
        for part in contract_slices(extract, block):
            for batch in part.combine_chunks().to_batches():
                checked = check_batch(extract, batch)
                assert checked.rejections == []
            tables.append(part)
    return pa.concat_tables(tables) if tables else pa.table({})


def _frames(world: World, name: str) -> Iterator[tuple[Delivery, pd.DataFrame]]:
    for delivery in deliveries(BUSINESS_DATE):
        yield delivery, _rows(world, name, delivery).to_pandas()


def _all(world: World, name: str) -> pd.DataFrame:
    return pd.concat([frame for _, frame in _frames(world, name)], ignore_index=True)


@pytest.fixture(scope="module")
def world() -> World:
    return _world()


@pytest.mark.parametrize("name", NAMES)
def test_rows_keep_to_the_contract_and_nothing_later_shows(world: World, name: str) -> None:
    subscriptions = set(world.population.subscriptions["subscription_id"])
    customers = set(world.population.customers["customer_id"])
    total = 0
    for delivery, rows in _frames(world, name):
        total += len(rows)
        end = pd.Timestamp(delivery.end)
        latest = end if delivery.is_last else end - pd.Timedelta(seconds=1)
        for column in rows.columns.difference(list(FUTURE_COLUMNS)):
            if pd.api.types.is_datetime64_any_dtype(rows[column]):
                assert not (rows[column] > latest).any(), (column, delivery.business_date)
        assert set(rows.get("subscription_id", pd.Series())) <= subscriptions
        assert set(rows.get("customer_id", pd.Series()).dropna()) <= customers
        if len(rows):
            assert not rows.duplicated(list(CONTRACTS[name].key)).any()
    assert total > 0


def test_same_seed_gives_the_same_rows_whatever_else_was_drawn(world: World) -> None:
    again = _world()
    for name in NAMES:
        _rows(world, name, deliveries(BUSINESS_DATE)[0])
        last = deliveries(BUSINESS_DATE)[-1]
        assert _rows(again, name, last).equals(_rows(world, name, last)), name


def test_ids_of_records_are_known_to_the_crm_that_night(world: World) -> None:
    activated = world.population.subscriptions.set_index("subscription_id")["activated_at"]
    names = [name for name in NAMES if "subscription_id" in CONTRACTS[name].key]
    names += ["crm.subscription_event", "crm.contract", "crm.device", "service_order.service_order"]
    for name in names:
        for delivery, rows in _frames(world, name):
            if len(rows):
                assert (rows["subscription_id"].map(activated) < delivery.end).all(), name


def test_nothing_happens_to_a_subscription_after_its_end(world: World) -> None:
    events = _all(world, "crm.subscription_event").sort_values(["occurred_at", "event_id"])
    ended = world.population.subscriptions.set_index("subscription_id")["terminated_at"]
    assert not (events["occurred_at"] > events["subscription_id"].map(ended)).any()
    last = events.groupby("subscription_id")["event_kind"].last()
    gone = events.loc[events["event_kind"] == "termination", "subscription_id"]
    assert len(gone) > 100
    assert set(last[gone]) == {"termination"}
    tests = _all(world, "line.copper_test")
    assert not (tests["tested_at"] > tests["subscription_id"].map(ended)).any()


def test_suspension_and_resumption_take_turns(world: World) -> None:
    events = _all(world, "crm.subscription_event").sort_values(["occurred_at", "event_id"])
    changes = events[events["event_kind"].str.contains("suspension|resumption", regex=True)]
    is_stop = changes["event_kind"] != "resumption"
    before = is_stop.groupby(changes["subscription_id"]).shift()
    assert (is_stop != before)[before.notna()].all()
    assert is_stop[before.isna()].mean() > 0.9  # the rest was suspended before the history starts


def test_passive_churn_follows_a_suspension_with_money_unpaid(world: World) -> None:
    events = _all(world, "crm.subscription_event").sort_values(["occurred_at", "event_id"])
    subscriptions = world.population.subscriptions
    start = pd.Timestamp(deliveries(BUSINESS_DATE)[0].start)
    passive = subscriptions.loc[
        (subscriptions["termination_kind"] == "passive")
        & (subscriptions["terminated_at"] >= start)
        & (subscriptions["terminated_at"] < pd.Timestamp("2026-11-21")),
        "subscription_id",
    ]
    assert len(passive) > 100
    stops = events[events["event_kind"].isin(["arrears_suspension", "high_amount_suspension"])]
    assert set(passive) <= set(stops["subscription_id"])
    last = events[events["event_kind"] != "termination"].groupby("subscription_id").last()
    assert set(last.loc[passive, "event_kind"]) <= {"arrears_suspension", "high_amount_suspension"}
    assert (last.loc[passive, "unpaid_amount"] > 0).all()


def test_arrears_suspension_of_who_stays_matches_an_invoice_unpaid_that_long(world: World) -> None:
    events = _all(world, "crm.subscription_event")
    subscriptions = world.population.subscriptions.set_index("subscription_id")
    ended = events["subscription_id"].map(subscriptions["terminated_at"])
    stops = events[(events["event_kind"] == "arrears_suspension") & ended.isna()]
    invoices = world.invoices[["account", "due_date", "paid_at"]]
    invoices = invoices.astype({"due_date": "datetime64[s]"})
    pairs = stops.assign(account=stops["subscription_id"].map(subscriptions["account"]))
    pairs = pairs.merge(invoices, on="account")
    overdue = pairs["occurred_at"] - pairs["due_date"] >= pd.Timedelta(days=31)
    unpaid = ~(pairs["paid_at"] <= pairs["occurred_at"])
    assert len(stops) > 20
    assert set(pairs.loc[overdue & unpaid, "event_id"]) == set(stops["event_id"])


def test_balance_agrees_with_invoices_and_payments(world: World) -> None:
    delivery = deliveries(BUSINESS_DATE)[-1]
    balances = _rows(world, "billing.balance", delivery).to_pandas().set_index("account_id")
    invoices = world.invoices[world.invoices["issued_at"] < delivery.end]
    paid = world.payments.loc[world.payments["paid_at"] < delivery.end, "invoice"]
    unpaid = invoices[~invoices.index.isin(paid)].groupby("account")["invoice_amount"].sum()
    unpaid.index = world.population.accounts["account_id"].to_numpy()[unpaid.index]
    expected = unpaid.reindex(balances.index).fillna(0)
    assert (expected > 0).sum() > 20
    np.testing.assert_allclose(balances["unpaid_amount"].astype(float), expected, atol=0.01)
    assert (balances["overdue_amount"] <= balances["unpaid_amount"]).all()
    is_overdue = balances["overdue_amount"] > 0
    assert set(balances.loc[is_overdue, "account_state"]) == {"overdue", "suspended"}
    planned = balances["planned_suspension_date"].dropna()
    assert (planned > BUSINESS_DATE).all()


def test_contracts_agree_with_the_end_that_the_subscription_shows(world: World) -> None:
    for delivery in (deliveries(BUSINESS_DATE)[0], deliveries(BUSINESS_DATE)[-1]):
        known = [rows for item, rows in _frames(world, "crm.contract") if item.end <= delivery.end]
        latest = pd.concat(known).drop_duplicates("contract_id", keep="last")
        ends = latest.sort_values("contract_id").groupby("subscription_id")["end_date"].last()
        shown = pd.concat(list(extracts.subscriptions(world, delivery)))
        shown = shown[shown["terminated_at"].isna()].set_index("subscription_id")
        bound = shown["contract_end_date"].dropna()
        assert len(bound) > 1000
        assert (pd.to_datetime(ends[bound.index]) == bound).all()


def test_three_quarters_of_who_left_long_ago_are_back_as_the_same_person(world: World) -> None:
    records = world.sources["customer_records"]
    customers = world.population.customers
    later, earlier = records.re_entries["later"], records.re_entries["earlier"]
    assert later.is_unique
    assert earlier.is_unique
    names = customers["customer_name"].to_numpy()
    assert (names[later] == names[earlier]).all()
    ended = world.population.subscriptions.groupby("customer")["terminated_at"].max()
    assert (customers["joined_at"].to_numpy()[later] > ended[earlier].to_numpy()).all()
    long_ago = ended.index[ended < pd.Timestamp(deliveries(BUSINESS_DATE)[0].start)]
    assert len(long_ago) > 80
    assert 0.65 < np.isin(long_ago, earlier).mean() < 0.85


def test_customer_links_name_re_entries_and_other_relations(world: World) -> None:
    links = _rows(world, "crm.customer_link", deliveries(BUSINESS_DATE)[-1]).to_pandas()
    ids = world.population.customers["customer_id"].to_numpy()
    re_entries = world.sources["customer_records"].re_entries
    pairs = set(zip(ids[re_entries["later"]], ids[re_entries["earlier"]], strict=True))
    known = world.hoppers.links
    known = known[known["kind"] == hoppers.SAME_PERSON_LINK]
    hopped = set(zip(ids[known["customer"]], ids[known["other"]], strict=True))
    same = links[links["link_kind"] == "same_person"]
    linked = set(zip(same["customer_id"], same["linked_customer_id"], strict=True))
    assert hopped < linked
    assert linked - hopped < pairs - hopped
    assert set(links["link_kind"]) == {"same_person", "family", "same_organisation", "payer"}


def test_do_not_call_covers_every_customer_who_refuses_and_has_a_number(world: World) -> None:
    blocks = _rows(world, "crm.do_not_call", deliveries(BUSINESS_DATE)[-1]).to_pandas()
    customers = world.population.customers
    known = customers[customers["joined_at"] < pd.Timestamp("2026-11-20")]
    refusing = known.loc[known["is_do_not_call"], "contact_phone"].dropna()
    assert set(refusing) <= set(blocks["phone_number"])
    assert blocks["phone_number"].str.fullmatch(r"161\d{8}").all()
    assert "regulator" in set(blocks["block_source"])


def test_loyalty_points_add_up_and_are_booked_once_a_month(world: World) -> None:
    points = _all(world, "crm.loyalty_points")
    earned, redeemed = points["points_earned_count"], points["points_redeemed_count"]
    assert (points["points_balance_count"] == earned - redeemed).all()
    assert (points["points_balance_count"] >= 0).all()
    ordered = points.sort_values("changed_at", kind="stable")
    assert (ordered.groupby("customer_id")["points_earned_count"].diff().dropna() >= 0).all()


def test_a_sixth_of_the_customers_have_attributes_in_the_knowledge_base(world: World) -> None:
    rows = _all(world, "crm.customer_attribute")
    key = ["customer_id", "attribute_code"]
    ordered = rows.sort_values("changed_at", kind="stable")
    served = world.population.subscriptions["terminated_at"].isna()
    customers = world.population.subscriptions.loc[served, "customer_id"].unique()
    kinds = set(CONTRACTS["crm.customer_attribute"].columns[1].allowed_values)
    assert 0.13 < np.isin(customers, rows["customer_id"]).mean() < 0.2
    assert set(rows["attribute_code"]) == kinds
    assert (ordered.groupby(key)["changed_at"].diff().dropna() > pd.Timedelta(0)).all()
    later = ordered[ordered.duplicated(key)]
    assert len(later) > 20
    assert 0 < later["attribute_value"].isna().sum() < len(later) / 2
    assert ordered.drop_duplicates(key)["attribute_value"].notna().mean() > 0.95


def test_orders_go_through_their_states_in_order(world: World) -> None:
    rows = _all(world, "service_order.service_order")
    is_done = rows["order_state"] == "completed"
    assert (rows["completed_at"].notna() == is_done).all()
    assert (rows["completed_at"] >= rows["accepted_at"])[is_done].all()
    assert (rows["changed_at"] >= rows["accepted_at"]).all()
    answered = rows["no_resource_answered_at"].notna()
    assert (rows["no_resource_answered_at"] >= rows["no_resource_raised_at"])[answered].all()
    ends = ["completed", "cancelled", "rejected"]
    final = rows[rows["order_state"].isin(ends)].drop_duplicates("order_id")
    after = rows.merge(final[["order_id", "order_state"]], on="order_id", suffixes=("", "_final"))
    after = after.sort_values("changed_at", kind="stable").groupby("order_id").last()
    assert (after["order_state"] == after["order_state_final"]).all()


def test_installations_complete_with_the_activation(world: World) -> None:
    rows = _all(world, "service_order.service_order")
    planted = set(orders.planted_cases(world)["subscription_id"])
    installed = rows[(rows["order_kind"] == "install") & ~rows["subscription_id"].isin(planted)]
    activated = world.population.subscriptions.set_index("subscription_id")["activated_at"]
    assert len(installed) > 500
    assert (installed["completed_at"] == installed["subscription_id"].map(activated)).all()
    assert installed["activation_cost_amount"].notna().all()
    assert rows.loc[rows["order_kind"] != "install", "activation_cost_amount"].isna().all()


def test_discarded_cards_come_mostly_from_a_few_agents(world: World) -> None:
    source, habits = world.sources["orders"], world.sources["mobile_usage"]
    dealers = world.sources["organisation"].dealers
    is_used = habits.silent_from > habits.activated
    is_bad = dealers["is_discarding"].to_numpy()[source.dealer[habits.lines]]
    assert 0 < dealers["is_discarding"].mean() < 0.1
    assert is_bad[~is_used].mean() > 0.6
    assert is_bad[is_used].mean() < 0.15


def test_flags_of_copper_tests_agree_with_what_was_measured(world: World) -> None:
    tests = _all(world, "line.copper_test")
    loose = tests["joint_resistance_ohms"].astype(float) > line_tests.LOOSE_JOINT_OHMS
    noisy = tests["high_energy_noise_dbm_hz"].astype(float) > line_tests.HIGH_NOISE_DBM_HZ
    unequal = tests["longitudinal_balance_db"].astype(float) < line_tests.IMBALANCE_DB
    assert (loose == tests["has_loose_joint"]).all()
    assert (noisy == tests["has_high_energy_noise"]).all()
    assert (unequal == tests["has_line_imbalance"]).all()
    assert 0.01 < tests["has_loose_joint"].mean() < 0.2


def test_access_resources_cover_every_area_and_never_run_over(world: World) -> None:
    areas = _rows(world, "line.access_resource", deliveries(BUSINESS_DATE)[-1]).to_pandas()
    used = world.population.subscriptions["cross_connect_area_id"].dropna()
    assert set(used) <= set(areas["cross_connect_area_id"])
    assert (areas["copper_used_pair_count"] <= areas["copper_pair_count"]).all()
    assert (areas["ftth_free_port_count"] <= areas["ftth_port_count"]).all()
    assert (areas["ftth_free_port_count"] == 0).any()


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("module", [orders, line_tests], ids=lambda module: str(module.NAME))
def test_planted_cases_lie_on_both_sides_and_agree_with_the_rules(
    module: ModuleType, seed: int
) -> None:
    small = _world(300, seed)
    cases = module.planted_cases(small)
    expected = module.expected_warnings(small)
    subscriptions = small.population.subscriptions
    line = pd.Index(subscriptions["subscription_id"]).get_indexer(cases["subscription_id"])
    raised = [expected[rule][row] for rule, row in zip(cases["rule_code"], line, strict=True)]
    assert raised == cases["is_raised"].tolist()
    assert set(expected) == set(cases["rule_code"])
    assert (cases.groupby("rule_code")["is_raised"].nunique() == 2).all()
    assert np.isnat(subscriptions["terminated_at"].to_numpy()[line]).all()


def test_planted_orders_stand_in_the_delivered_rows_exactly(world: World) -> None:
    rows = _all(world, "service_order.service_order").drop_duplicates("order_id", keep="last")
    cases = orders.planted_cases(world).set_index("case_name")["subscription_id"]
    found = rows.set_index("subscription_id")
    limit = orders.PROVISIONING_DELAY_LIMIT_MINUTES
    minutes = found["operator_delay_minutes"]
    assert minutes[cases["delayed for exactly the limit"]] == limit
    assert minutes[cases["delayed and not completed"]] == limit + 1
    late = found.loc[cases["answered a second later"]]
    wait = late["no_resource_answered_at"] - late["no_resource_raised_at"]
    assert wait == pd.Timedelta(hours=orders.NO_RESOURCE_LIMIT_HOURS, seconds=1)
    fault = cases["fault after exactly fifteen days"]
    tickets = world.faults.tickets
    reported = tickets.loc[tickets["subscription_id"] == fault, "reported_at"]
    assert pd.Timedelta(days=15) in set(reported - found.loc[fault, "completed_at"])


def test_snapshots_are_complete_on_every_date(world: World) -> None:
    assert len(SNAPSHOTS) == 7
    for name in SNAPSHOTS:
        counts = [len(rows) for _, rows in _frames(world, name)]
        assert min(counts) > 0
        assert sorted(counts)[0] >= 0.4 * sorted(counts)[-1]


def test_exactly_ten_areas_are_warned_of(world: World) -> None:
    is_raised = line_tests.expected_warnings(world)["cross_connect_top10"]
    areas = world.population.subscriptions["cross_connect_area_id"][is_raised]
    assert areas.nunique() == 10
