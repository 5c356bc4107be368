"""The simulated operator: what it writes, that it is repeatable, and that its truth is true."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.contracts import Extract, find_extract, read_extracts
from scripts.delivered_file import DeliveredFile, DeliveryError
from scripts.file_load import FileLoad
from scripts.simulate_operator import dialer, usage
from scripts.simulate_operator.__main__ import main
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.delivery_faults import FAULTS, HARD_TEXTS, Recovery
from scripts.simulate_operator.extracts import World, extract_functions, simulate
from scripts.simulate_operator.parameters import DIRT_LEVELS, Parameters
from scripts.simulate_operator.population import response_types
from scripts.simulate_operator.timeline import DAY, deliveries, end_of
from scripts.simulate_operator.truth import Truth, monthly_hazards

BUSINESS_DATE = date(2026, 11, 20)
END = pd.Timestamp("2026-11-21")
SMALL = Parameters(business_date=BUSINESS_DATE, seed=3, customer_count=300)
WEEK = replace(SMALL, history_days=8)
OPTIONS = ["--customers", "300", "--business-date", "2026-11-20", "--seed", "3"]
OPTIONS += ["--history-days", "8"]
RULES = {
    "repeat_fault_12m",
    "repeat_fault_6m",
    "repeat_fault_3m",
    "repeat_fault_1m",
    "long_fault_closed",
    "long_fault_open",
    "high_value_bandwidth",
    "high_traffic_bandwidth",
    "optical_loss",
}
DELIVERED = [str(extract) for extract in read_extracts() if str(extract) in extract_functions()]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the landing folder and the truth of a small operator."""
    folder = tmp_path_factory.mktemp("operator")
    deliver(SMALL, folder / "landing", folder / "truth")
    return folder


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with a week of daily deliveries, without dirt, with dirty rows, with every fault."""
    folders = {dirt: tmp_path_factory.mktemp(dirt) for dirt in DIRT_LEVELS}
    for dirt, folder in folders.items():
        deliver(replace(WEEK, dirt=dirt), folder / "landing", folder / "truth")
    return folders


@pytest.fixture(scope="module")
def clean(daily: dict[str, Path]) -> Path:
    return daily["none"]


@pytest.fixture(scope="module")
def faulty(daily: dict[str, Path]) -> Path:
    return daily["full"]


@pytest.fixture(scope="module")
def world() -> World:
    """A larger operator, in memory."""
    return simulate(Parameters(business_date=BUSINESS_DATE, customer_count=20_000))


def _extract(name: str) -> Extract:
    source, _, extract = name.partition(".")
    return find_extract(source, extract)


def _files(folder: Path, name: str) -> list[Path]:
    source, _, extract = name.partition(".")
    files = sorted((folder / "landing" / source / extract).glob("*/*"))
    assert len(files) == len(deliveries(BUSINESS_DATE))
    return files


def _text(path: Path, extract: Extract) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode(extract.encoding)


def _valid_rows(path: Path, extract: Extract) -> tuple[pd.DataFrame, int]:
    """Return the rows that keep to the contract and how many do not."""
    load = FileLoad(DeliveredFile(path, extract), path.name, "", datetime.now(UTC))
    frames = [batch.to_pandas() for batch in load.accepted_rows()]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return rows, load.rows_rejected


def _all_valid_rows(folder: Path, name: str) -> pd.DataFrame:
    frames = [_valid_rows(path, _extract(name))[0] for path in _files(folder, name)]
    rows = pd.concat(frames, ignore_index=True)
    for column in rows.columns:
        if isinstance(rows[column].dtype, pd.DatetimeTZDtype):
            rows[column] = rows[column].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    return rows


def _warnings(folder: Path, rule_code: str) -> set[str]:
    warnings = pd.read_csv(folder / "truth" / "expected_warning.csv")
    return set(warnings.loc[warnings["rule_code"] == rule_code, "subscription_id"])


def _active(folder: Path) -> pd.DataFrame:
    path = _files(folder, "crm.subscription")[-1]
    subscriptions, _ = _valid_rows(path, _extract("crm.subscription"))
    return subscriptions[subscriptions["terminated_at"].isna()].drop_duplicates()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_deliveries_cover_180_days_without_gap_or_overlap() -> None:
    days = [day for delivery in deliveries(BUSINESS_DATE) for day in delivery.days]
    assert days == [BUSINESS_DATE - timedelta(days=number) for number in range(179, -1, -1)]
    before = [(BUSINESS_DATE - item.business_date).days for item in deliveries(BUSINESS_DATE)]
    assert before == [150, 120, 90, 60, 30, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_second_run_writes_the_same_bytes_over_what_is_there(
    daily: dict[str, Path], tmp_path: Path
) -> None:
    stale = tmp_path / "landing" / "crm" / "plan" / BUSINESS_DATE.isoformat() / "plan_old.csv"
    other_source = tmp_path / "landing" / "weather" / "storm" / "2026-11-20" / "storm.csv"
    for path in (stale, other_source):
        path.parent.mkdir(parents=True)
        path.write_text("left over\n")
    folders = ["--landing-dir", f"{tmp_path / 'landing'}", "--truth-dir", f"{tmp_path / 'truth'}"]
    assert main(["deliver", *OPTIONS, "--dirt", "rows", *folders]) == 0
    assert not stale.exists()
    assert other_source.exists()
    other_source.unlink()
    assert _digests(tmp_path) == _digests(daily["rows"])


def test_another_seed_gives_another_operator(clean: Path, tmp_path: Path) -> None:
    day = BUSINESS_DATE - timedelta(days=1)
    deliver(replace(WEEK, seed=4), tmp_path / "landing", tmp_path / "truth", day, day)
    name = "landing/crm/customer/2026-11-19/customer.csv"
    assert _digests(tmp_path)[name] != _digests(clean)[name]


@pytest.mark.parametrize("name", DELIVERED)
def test_files_have_the_contract_header_encoding_and_final_newline(
    delivered: Path, name: str
) -> None:
    extract = _extract(name)
    for path in _files(delivered, name):
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
            assert tuple(schema.names) == extract.column_names
            zones = [item.type.tz for item in schema if pa.types.is_timestamp(item.type)]
            assert set(zones) <= {"Asia/Shanghai"}
            continue
        text = _text(path, extract)
        assert text.partition("\n")[0].split(extract.delimiter) == list(extract.column_names)
        assert text.endswith("\n")
        assert "\r" not in text


def _planted(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "truth" / "planted_dirt.csv", keep_default_na=False)


@pytest.mark.parametrize("dirt", ["rows", "full"])
def test_exactly_the_planted_rows_break_the_contract(dirt: str, daily: dict[str, Path]) -> None:
    folder = daily[dirt]
    planted = _planted(folder)
    key = ["source", "extract", "business_date", "file"]
    unreadable = set(planted[planted["expected_status"] != "loaded"][key].itertuples(index=False))
    expected = planted.groupby(key)["rejected_row_count"].sum()
    expected = expected[expected > 0]
    actual = {}
    for path in sorted((folder / "landing").glob("*/*/*/*")):
        extract = find_extract(path.parts[-4], path.parts[-3])
        name = (extract.source, extract.name, path.parent.name, path.name)
        if name in unreadable:
            with pytest.raises(DeliveryError):
                _valid_rows(path, extract)
            continue
        _, rejected = _valid_rows(path, extract)
        if rejected:
            actual[name] = rejected
    assert actual == expected.to_dict()
    assert len(actual) > 10


def test_a_clean_delivery_has_no_dirt(clean: Path) -> None:
    assert _planted(clean).empty
    for name in DELIVERED:
        extract = _extract(name)
        paths = sorted((clean / "landing" / name.replace(".", "/")).glob("*/*"))
        assert len(paths) == 8
        for path in paths:
            rows, rejected = _valid_rows(path, extract)
            assert rejected == 0
            assert not rows.duplicated(list(extract.key)).any()


def test_dirt_does_not_change_the_truth(daily: dict[str, Path]) -> None:
    truth = {
        dirt: {
            name: digest
            for name, digest in _digests(folder / "truth").items()
            if name != "planted_dirt.csv"
        }
        for dirt, folder in daily.items()
    }
    assert len(truth["none"]) >= 4
    assert truth["none"] == truth["rows"] == truth["full"]


def test_every_contract_is_delivered() -> None:
    delivered_by_call = {"dialer.call_outcome", "dialer.recording"}
    assert set(DELIVERED) | delivered_by_call == {str(extract) for extract in read_extracts()}


def test_every_kind_of_fault_is_planted(faulty: Path) -> None:
    planted = _planted(faulty)
    hard_texts = {name for texts in HARD_TEXTS.values() for name in texts}
    assert {fault.kind for fault in FAULTS} | hard_texts <= set(planted["kind"])
    assert {"late rows", "rows after: missing day", "exact duplicate"} <= set(planted["kind"])
    assert (planted.loc[planted["kind"].isin(hard_texts), "row_count"] > 0).all()
    assert set(planted["expected_status"]) == {"loaded", "failed", "absent"}
    assert (planted["expected_error"] != "").sum() == (planted["expected_status"] == "failed").sum()
    assert not (planted["business_date"] > "2026-11-20").any()


@pytest.mark.parametrize(
    "name", sorted({item.extract for item in FAULTS if item.recovery == Recovery.NEXT_DELIVERY})
)
def test_what_a_delivery_lacks_comes_with_the_next(name: str, clean: Path, faulty: Path) -> None:
    extract = _extract(name)
    planted = _planted(faulty)
    refused = planted[planted["expected_status"] == "failed"]
    corrected = {item.kind for item in FAULTS if item.recovery == Recovery.CORRECTED_FILE}
    waiting = set(planted.loc[planted["kind"].isin(corrected), "business_date"])
    skipped = set(refused["business_date"] + "/" + refused["file"])
    keys = []
    for folder in (clean, faulty):
        paths = sorted((folder / "landing" / extract.source / extract.name).glob("*/*"))
        frames = [
            _valid_rows(path, extract)[0]
            for path in paths
            if folder == clean or f"{path.parent.name}/{path.name}" not in skipped
        ]
        rows = pd.concat([frame for frame in frames if len(frame)])
        keys.append(set(rows[list(extract.key)].itertuples(index=False, name=None)))
    assert keys[1] <= keys[0]
    if not any(item.extract == name and item.kind in corrected for item in FAULTS):
        assert keys[1] == keys[0]
    assert waiting


def test_day_by_day_gives_the_same_bytes_as_all_at_once(tmp_path: Path) -> None:
    parameters = replace(SMALL, dirt="full", history_days=5, snapshot_every_days=2)
    deliver(parameters, tmp_path / "once" / "landing", tmp_path / "once" / "truth")
    daily = tmp_path / "daily"
    dates = [item.business_date for item in deliveries(BUSINESS_DATE, 5)]
    assert len(dates) == 5
    for day in dates:
        deliver(parameters, daily / "landing", daily / "truth", day, day)
        seen = {path.parent.name for path in (daily / "landing").glob("*/*/*/*")}
        assert max(seen) <= day.isoformat()
    assert _digests(daily) == _digests(tmp_path / "once")


def test_single_days_carry_the_state_but_no_events_before_them(tmp_path: Path) -> None:
    parameters = replace(SMALL, dirt="none", history_days=3)
    deliver(parameters, tmp_path / "landing", tmp_path / "truth")
    for name in DELIVERED:
        dates = {
            path.parent.name
            for path in (tmp_path / "landing").glob(f"{name.replace('.', '/')}/*/*")
        }
        assert dates == {"2026-11-18", "2026-11-19", "2026-11-20"}
    tickets = _extract("fault.trouble_ticket")
    folder = tmp_path / "landing" / "fault" / "trouble_ticket"
    first, _ = _valid_rows(folder / "2026-11-18" / "trouble_ticket.csv", tickets)
    second, _ = _valid_rows(folder / "2026-11-19" / "trouble_ticket.csv", tickets)
    assert len(first) > 10 * len(second)
    payments = _extract("billing.payment")
    rows, _ = _valid_rows(
        tmp_path / "landing" / "billing" / "payment" / "2026-11-18" / "payment.csv.gz", payments
    )
    start = pd.Timestamp("2026-11-18", tz="Asia/Shanghai")
    assert rows["paid_at"].between(start, start + pd.Timedelta(days=1), inclusive="left").all()


def test_snapshots_may_come_less_often(tmp_path: Path) -> None:
    parameters = replace(SMALL, dirt="none", history_days=9, snapshot_every_days=3)
    deliver(parameters, tmp_path / "landing", tmp_path / "truth")
    dates = sorted(path.name for path in (tmp_path / "landing" / "crm" / "customer").iterdir())
    assert dates == ["2026-11-12", "2026-11-14", "2026-11-17", "2026-11-20"]
    assert len(list((tmp_path / "landing" / "billing" / "payment").iterdir())) == 9


def test_correct_writes_right_files_over_the_faulty_ones(faulty: Path, tmp_path: Path) -> None:
    shutil.copytree(faulty, tmp_path, dirs_exist_ok=True)
    folders = ["--landing-dir", f"{tmp_path / 'landing'}", "--truth-dir", f"{tmp_path / 'truth'}"]
    assert main(["correct", *OPTIONS, *folders]) == 0
    planted = _planted(tmp_path)
    corrected = planted[planted["kind"] == "corrected file"]
    waiting = [fault for fault in FAULTS if fault.recovery == Recovery.CORRECTED_FILE]
    assert len(corrected) == len(waiting) > 0
    for row in corrected.to_dict("records"):
        folder = tmp_path / "landing" / row["source"] / row["extract"] / row["business_date"]
        rows, rejected = _valid_rows(
            folder / row["file"], find_extract(row["source"], row["extract"])
        )
        assert (len(rows), rejected) == (row["row_count"], 0)
    before, after = _digests(faulty), _digests(tmp_path)
    changed = {name for name in before if before[name] != after.get(name)}
    assert len(changed) == len(waiting) + 1  # and the list of the dirt
    kinds = {fault.kind for fault in waiting}
    assert kinds <= set(_planted(faulty)["kind"])
    assert not kinds & set(planted["kind"])


def test_rare_characters_survive_beside_the_delimiter(delivered: Path) -> None:
    extract = _extract("crm.customer")
    path = _files(delivered, "crm.customer")[-1]
    assert "東".encode("gb18030")[1:] == b"|"
    assert "東".encode("gb18030") in path.read_bytes()
    names = {
        row["customer_name"]
        for row in csv.DictReader(io.StringIO(_text(path, extract)), delimiter="|")
    }
    assert any("東" in name for name in names)
    assert any("𠮷" in name for name in names)


def test_free_text_may_hold_line_breaks_and_delimiters(world: World) -> None:
    categories = set(world.faults.tickets["category"])
    assert any("\n" in text and '"' in text for text in categories)
    assert any("|" in text for text in categories)


def test_personal_data_is_synthetic(delivered: Path) -> None:
    customers = _all_valid_rows(delivered, "crm.customer")
    assert customers["contact_phone"].dropna().str.fullmatch(r"161\d{8}").all()
    assert customers["identity_number"].dropna().str.fullmatch(r"999999\d{12}").all()


def test_snapshots_know_nothing_of_the_future(delivered: Path) -> None:
    endings = 0
    for path in _files(delivered, "crm.subscription"):
        rows, _ = _valid_rows(path, _extract("crm.subscription"))
        end = pd.Timestamp(path.parent.name, tz="Asia/Shanghai") + pd.Timedelta(days=1)
        assert (rows["activated_at"] < end).all()
        assert not (rows["terminated_at"] >= end).any()
        assert (rows["terminated_at"].isna() == rows["termination_kind"].isna()).all()
        endings += int(rows["terminated_at"].notna().sum())
    assert endings > 0


def test_tickets_come_again_when_they_change_and_have_dispatches(delivered: Path) -> None:
    tickets = _all_valid_rows(delivered, "fault.trouble_ticket").drop_duplicates()
    assert tickets["ticket_id"].value_counts().max() == 2
    again = tickets[tickets["ticket_id"].duplicated(keep=False)]
    first, last = (
        again.drop_duplicates("ticket_id"),
        again.drop_duplicates("ticket_id", keep="last"),
    )
    assert first["closed_at"].isna().all()
    assert last["ticket_state"].isin(["closed", "cancelled", "rejected"]).all()
    dispatches = _all_valid_rows(delivered, "fault.dispatch")
    older = tickets[tickets["reported_at"] < END - pd.Timedelta(hours=8)]
    assert set(older["ticket_id"]) <= set(dispatches["ticket_id"]) <= set(tickets["ticket_id"])


def test_every_rule_has_warnings_and_every_planted_case_its_due(delivered: Path) -> None:
    warnings = pd.read_csv(delivered / "truth" / "expected_warning.csv")
    assert set(warnings["rule_code"]) == RULES
    assert set(warnings["business_date"]) == {"2026-11-20"}
    assert not warnings.duplicated().any()
    cases = pd.read_csv(delivered / "truth" / "planted_case.csv")
    raised = {(row.rule_code, row.subscription_id) for row in warnings.itertuples()}
    for case in cases.itertuples():
        assert ((case.rule_code, case.subscription_id) in raised) == case.is_raised, case.case_name
    both = cases.groupby("rule_code")["is_raised"].nunique()
    assert set(both.index) == RULES
    assert (both == 2).all()


def test_truth_of_faults_agrees_with_the_files(delivered: Path) -> None:
    active = set(_active(delivered)["subscription_id"])
    tickets = _all_valid_rows(delivered, "fault.trouble_ticket")
    tickets = tickets.drop_duplicates("ticket_id", keep="last")
    ten_days = pd.Timedelta(days=10)
    is_open = tickets["closed_at"].isna() & ~tickets["ticket_state"].isin(["cancelled", "rejected"])
    open_long = tickets[is_open & (END - tickets["reported_at"] > ten_days)]
    assert set(open_long["subscription_id"]) & active == _warnings(delivered, "long_fault_open")
    closed_long = tickets[
        (tickets["closed_at"] >= END - pd.DateOffset(months=12))
        & (tickets["closed_at"] - tickets["reported_at"] > ten_days)
    ]
    assert set(closed_long["subscription_id"]) & active == _warnings(delivered, "long_fault_closed")
    dispatches = _all_valid_rows(delivered, "fault.dispatch").drop_duplicates("dispatch_id")
    dispatches = dispatches.merge(tickets[["ticket_id", "subscription_id"]], on="ticket_id")
    for months, limit in ((12, 9), (6, 7), (3, 5), (1, 4)):
        inside = (dispatches["dispatched_at"] >= END - pd.DateOffset(months=months)) & (
            dispatches["dispatched_at"] < END
        )
        counts = dispatches.loc[inside, "subscription_id"].value_counts()
        over = set(counts.index[counts > limit]) & active
        assert over == _warnings(delivered, f"repeat_fault_{months}m")


def test_truth_of_lines_agrees_with_the_files(delivered: Path) -> None:
    active = _active(delivered)
    ids = set(active["subscription_id"])
    readings = _all_valid_rows(delivered, "line.optical_reading")
    readings = readings[
        (readings["reading_unit"] == "dB")
        & (readings["direction"] == "downstream")
        & (readings["measured_at"] < END)
    ]
    latest = readings.sort_values("measured_at").drop_duplicates("subscription_id", keep="last")
    high = latest[latest["reading_value"].astype(float) >= 28.0]
    assert set(high["subscription_id"]) & ids == _warnings(delivered, "optical_loss")
    hours = _all_valid_rows(delivered, "usage.broadband_hourly")
    hours = hours[hours["hour_start_at"] >= END - pd.Timedelta(days=30)]
    assert hours["hour_start_at"].max() < END
    totals = hours.groupby("subscription_id")[
        ["download_bytes", "upload_bytes", "online_minutes"]
    ].sum()
    online_hours = totals["online_minutes"] / 60
    rate = (totals["download_bytes"] + totals["upload_bytes"]) / online_hours
    heavy = totals.index[(online_hours >= 10) & (rate > 2**30)]
    assert set(heavy) & ids == _warnings(delivered, "high_traffic_bandwidth")
    plans, _ = _valid_rows(_files(delivered, "crm.plan")[-1], _extract("crm.plan"))
    current = plans[
        (plans["valid_from"] <= BUSINESS_DATE)
        & (plans["valid_to"].isna() | (plans["valid_to"] > BUSINESS_DATE))
    ].drop_duplicates()
    dear = current.loc[current["monthly_rent_amount"].astype(float) >= 189, "plan_id"]
    lines = active[(active["product_type"] == "broadband") & active["plan_id"].isin(dear)]
    assert set(lines["subscription_id"]) == _warnings(delivered, "high_value_bandwidth")


def test_population_has_the_calibrated_shares(world: World) -> None:
    customers, subscriptions = world.population.customers, world.population.subscriptions
    by_product = subscriptions.groupby("product_type")["customer"].nunique() / len(customers)
    assert by_product["broadband"] == pytest.approx(0.75, abs=0.01)
    assert by_product["mobile"] == pytest.approx(0.70, abs=0.01)
    assert customers["contact_phone"].isna().mean() == pytest.approx(0.03, abs=0.005)
    assert customers["is_do_not_call"].mean() == pytest.approx(0.04, abs=0.005)
    broadband = (subscriptions["product_type"] == "broadband").to_numpy()
    rent = world.population.rent_at(np.datetime64("2026-11-20T12:00:00", "s"))
    assert (rent[broadband] >= 189).mean() == pytest.approx(0.045, abs=0.003)
    access = subscriptions.loc[broadband, "access_type"].value_counts(normalize=True)
    assert access["ftth"] == pytest.approx(0.85, abs=0.01)


def test_churn_has_the_calibrated_rate_and_kinds(world: World) -> None:
    hazards = monthly_hazards(BUSINESS_DATE, world.population, world.churn)
    known = hazards[hazards["is_churned"].notna()]
    assert known["is_churned"].astype(float).mean() == pytest.approx(0.02, abs=0.0015)
    served = hazards.groupby("observation_date").size()
    assert len(served) == 7
    assert (served / served.iloc[0]).between(0.97, 1.03).all()
    kinds = pd.Series(world.churn.termination_kind).value_counts(normalize=True)
    assert kinds["passive"] == pytest.approx(0.8, abs=0.03)
    subscriptions = world.population.subscriptions
    leaving = ~np.isnat(world.churn.terminated_at)
    ends = subscriptions[leaving[subscriptions["customer"]]].groupby("customer")["terminated_at"]
    assert (ends.nunique() == 1).all()
    assert ends.count().equals(ends.size())


def test_hazard_separates_who_leaves(world: World) -> None:
    hazards = monthly_hazards(BUSINESS_DATE, world.population, world.churn)
    known = hazards[hazards["is_churned"].notna()]
    churned = known["is_churned"].astype(bool)
    ranks = known["churn_probability"].rank()
    left = int(churned.sum())
    area = (ranks[churned].sum() - left * (left + 1) / 2) / (left * (len(known) - left))
    assert 0.80 < area < 0.93


def test_usage_has_the_calibrated_share_of_heavy_lines() -> None:
    parameters = Parameters(business_date=BUSINESS_DATE, customer_count=4000)
    world = simulate(parameters)
    truth = Truth(world)
    rows = 0
    for delivery in deliveries(BUSINESS_DATE)[-8:]:
        for hours in usage.draw_usage(
            parameters, world.population, world.planted, world.engagement, delivery
        ):
            truth.see_usage(hours)
            rows += len(hours)
    warnings = truth.expected_warnings(world.faults)
    heavy = int((warnings["rule_code"] == "high_traffic_bandwidth").sum())
    broadband = (world.population.subscriptions["product_type"] == "broadband").to_numpy()
    lines = int((broadband & truth.is_active()).sum())
    assert heavy / lines == pytest.approx(0.041, abs=0.008)
    assert 4 < rows / lines / 30 < 8


def test_usage_falls_before_customers_leave(world: World) -> None:
    """The state that raises the hazard of a period has lowered usage before the period starts."""
    disengaged = world.engagement.is_disengaged
    beginning = np.flatnonzero(~disengaged[:, 2] & disengaged[:, 3])
    factor = world.engagement.factor(beginning, np.array([60, 89]))
    assert len(beginning) > 100
    assert (factor[:, 1] < 0.5).all()
    served = ~np.isnan(world.churn.hazard[:, 3])
    left = world.churn.is_churned[:, 3]
    assert left[served & disengaged[:, 3]].mean() > 3 * left[served & ~disengaged[:, 3]].mean()


def _tasks(count: int) -> pd.DataFrame:
    ids = [f"C{number:08d}" for number in range(1, count + 1)]
    return pd.DataFrame({"call_task_id": range(1, count + 1), "customer_id": ids})


def test_acceptance_depends_on_the_response_type() -> None:
    tasks = _tasks(20_000)
    calls = dialer.outcomes(SMALL, tasks).sort_values("call_task_id")
    kinds = response_types(SMALL, tasks["customer_id"].to_numpy(dtype=object))
    calls["response_type"] = kinds
    assert calls["outcome_code"].isin(["accepted", "refused"]).mean() == pytest.approx(
        0.6, abs=0.02
    )
    reached = calls[calls["outcome_code"].isin(["accepted", "refused"])]
    accepted = (reached["outcome_code"] == "accepted").groupby(reached["response_type"]).mean()
    for name, share, chance in SMALL.response_types:
        assert (kinds == name).mean() == pytest.approx(share, abs=0.01)
        assert accepted[name] == pytest.approx(chance, abs=0.04)
    # The simulated dialer knows no callback and no customer who leaves it open.
    told = {"accepted", "refused", "no_answer", "busy", "switched_off", "invalid_number"}
    assert set(calls["outcome_code"]) == told
    assert told < set(_extract("dialer.call_outcome").columns[4].allowed_values)


def test_calls_are_made_in_calling_hours_and_next_calls_lie_ahead() -> None:
    calls = dialer.outcomes(SMALL, _tasks(5_000))
    assert (calls["called_at"].dt.date == BUSINESS_DATE + timedelta(days=1)).all()
    assert calls["called_at"].dt.hour.between(9, 19).all()
    chosen = calls["next_call_at"].dropna()
    assert 0 < len(chosen) < len(calls) / 4
    assert chosen.dt.hour.between(9, 19).all()
    assert (chosen > calls.loc[chosen.index, "called_at"] + pd.Timedelta(hours=10)).all()
    reached = calls["outcome_code"].isin(["accepted", "refused"])
    assert ((calls["talk_seconds"] > 0) == reached).all()
    assert calls.loc[reached, "next_call_at"].isna().all()


def test_an_outcome_depends_on_night_and_customer_alone() -> None:
    few = dialer.outcomes(SMALL, _tasks(300)).set_index("call_task_id")
    other_tasks = _tasks(300).iloc[::3]
    part = dialer.outcomes(SMALL, other_tasks).set_index("call_task_id")
    columns = ["called_at", "outcome_code", "talk_seconds", "next_call_at"]
    pd.testing.assert_frame_equal(
        part[columns].sort_index(), few.loc[part.index, columns].sort_index()
    )
    next_night = replace(SMALL, business_date=BUSINESS_DATE + timedelta(days=1))
    later = dialer.outcomes(next_night, _tasks(300)).set_index("call_task_id").sort_index()
    assert (later["outcome_code"] != few.sort_index()["outcome_code"]).any()


def _release(uri: str, business_date: date, customers: int, offset: int = 0) -> None:
    with psycopg.connect(uri) as connection:
        row = connection.execute(
            "insert into dialer.call_list (business_date, revisit_tag, task_count)"
            " values (%s, 'churn_warning', %s) returning call_list_id",
            [business_date, customers],
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into dialer.call_task (call_list_id, business_date, customer_id, revisit_tag,"
            " phone_number, priority_rank, due_at)"
            " select %(list)s, %(date)s, 'C' || lpad((n + %(offset)s)::text, 8, '0'),"
            " 'churn_warning', '16100000000', n, now() from generate_series(1, %(count)s) as n",
            {"list": row[0], "date": business_date, "count": customers, "offset": offset},
        )


def test_calling_a_night_twice_writes_the_same_file(warehouse_db: str, tmp_path: Path) -> None:
    _release(warehouse_db, BUSINESS_DATE, 40)
    _release(warehouse_db, BUSINESS_DATE - timedelta(days=1), 5, offset=100)
    options = ["--business-date", "2026-11-20", "--seed", "3", "--landing-dir", str(tmp_path)]
    assert main(["call", *options, "--truth-dir", str(tmp_path / "truth")]) == 0
    path = tmp_path / "dialer" / "call_outcome" / "2026-11-21" / "call_outcome.csv"
    first = path.read_bytes()
    with psycopg.connect(warehouse_db) as connection:
        connection.execute(
            "update dialer.call_task set status = 'withdrawn', closed_at = now()"
            " where call_task_id > 20"
        )
    assert main(["call", *options]) == 0
    assert path.read_bytes() == first
    rows, rejected = _valid_rows(path, _extract("dialer.call_outcome"))
    assert rejected == 0
    assert len(rows) == rows["call_task_id"].nunique() == rows["call_id"].nunique() == 40
    assert rows["agent_id"].str.fullmatch(r"A\d{3}").all()
    assert len(pd.read_csv(tmp_path / "truth" / "called_customer_2026-11-20.csv")) == 40


def test_a_night_without_tasks_gives_a_file_without_rows(warehouse_db: str, tmp_path: Path) -> None:
    assert dialer.call(SMALL, tmp_path).empty
    path = tmp_path / "dialer" / "call_outcome" / "2026-11-21" / "call_outcome.csv"
    header = ",".join(_extract("dialer.call_outcome").column_names)
    assert path.read_text() == header + "\n"


def test_too_few_customers_are_refused() -> None:
    with pytest.raises(ValueError, match="too few customers"):
        simulate(replace(SMALL, customer_count=20))


def test_windows_end_with_the_business_date() -> None:
    assert end_of(BUSINESS_DATE) == np.datetime64("2026-11-21T00:00:00", "s")
    assert DAY == 24 * 3600
