"""What departments send back about customers at risk, and the policies and targets they work by.

Every month the lines with over-long or repeated faults are on the risk list; channels and the
market department answer it in the month after, most of them in time (RISK-27, RISK-28). The front
end asks for remediation orders in the three cases of RISK-29.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    arrays,
    chosen,
    coded,
    day_span,
    numbered,
    optional,
    since_epoch,
    staff_ids,
    taken,
    texts,
)
from scripts.simulate_operator.population import REGIONS
from scripts.simulate_operator.timeline import DAY, Array, Delivery, end_of, history_start

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "retention_feedback"
LONG_DAYS = 10  # RISK-10
REPEAT_DISPATCHES, REPEAT_DAYS = 5, 91  # RISK-08: more than five within three months
CHANNEL_DAY, MARKET_DAY = 15, 20  # RISK-27, RISK-28: answers are due by then
IN_TIME_SHARE = 0.85
ANSWERED_SHARE = 0.90
MARKET_SHARE = 0.35  # of answers that come from the market department
# RISK-37, the results of 2013: customers saved, soothed and compensated, and yuan.
SAVED, SOOTHED, COMPENSATED, COMPENSATION = 90, 1915, 6, 439
REFUSED_SHARE, UNREACHABLE_SHARE = 0.06, 0.12
HIGH_STARS = 5  # from which on the front end thinks a customer high-grade
REQUEST_SHARE = 0.5
REPEATED_TICKETS, REPEATED_DAYS = 3, 30
MONTHLY_EXPERIENCES = 4
DEPARTMENTS = (
    "market_department",
    "channel",
    "engineering",
    "field_maintenance",
    "dispatch_centre",
    "front_end",
)
MARKET, CHANNEL, ENGINEERING, FIELD, DISPATCH, FRONT = range(6)
STAFF_PREFIXES = ("SC", "QD", "GC", "ZJ", "DD", "KF")
RULES = ("long_fault_closed", "repeat_fault_3m")
FEEDBACK_KINDS = ("result", "order_request", "experience")
RESULTS = ("saved", "soothed", "repaired", "migrated", "upgraded", "lost", "unreachable", "no_risk")
REASONS = ("repair_without_effect", "high_grade_preprocessing", "high_grade_urge")
CHURN_REASONS = (
    "left_area",
    "poor_network",
    "service_not_understood",
    "competitor",
    "poor_service",
)
IMPORTANCES = ("high", "medium", "low")
NOTES = (
    "已回访，用户表示满意",
    "東侧交接箱整治完成|已复测",
    '用户称"再坏就换"，\n需继续跟进',
    "多次联系无人接听",
    "上门前先测光衰，可少跑一趟",
)
ACTIONS = ("explanation", "care_call", "visit", "gift", "bill_credit", "cash_compensation")
BILL_CREDIT = 4
ACTION_RESULTS = ("saved", "soothed", "refused", "unreachable")
# KEEP-12, RISK-25: code, name, brand, class, product, group, means, amounts by star from 0 on,
# answers which offer, days before the business date on which it took effect, and after which it
# ends. The rules of soothing (seeds/soothing_rule.csv) name the first three.
Policy = tuple[
    str, str, str | None, str, str | None, str, str, tuple[int, ...], str | None, int, int | None
]
POLICIES: tuple[Policy, ...] = (
    ("AF-CC", "超长障碍补偿", None, "compensation", None, "超长障碍用户", "bill_credit",
     (20, 20, 30, 40, 50, 80, 100, 150), None, 2000, None),
    ("AF-CF", "重复障碍补偿", None, "compensation", None, "重复障碍用户", "bill_credit",
     (10, 10, 15, 20, 30, 50, 60, 80), None, 2000, None),
    ("AF-ZJ", "装机延误补偿", None, "compensation", None, "装机延误用户", "free_months",
     (0, 0, 30, 30, 50, 50, 80, 80), None, 2000, None),
    ("ZC-AF", "重复障碍安抚", None, "soothing", "broadband", "重复障碍用户", "gift",
     (10, 20, 30, 40, 50, 60, 70, 80), None, 500, None),
    ("ZC-TS", "宽带提速挽留", "東方宽带", "retention", "broadband", "合约到期用户", "speed_upgrade",
     (6, 12, 18, 24, 30, 36, 42, 48), None, 300, None),
    ("ZC-MY", "赠送月租", None, "rival_response", "broadband", "异网策反用户", "free_months",
     (15, 30, 45, 60, 75, 90, 105, 120), "异网宽带一年半价", 120, None),
    ("ZC-GH", "节日关怀", None, "care", "broadband", "高星级用户", "loyalty_points",
     (5, 10, 15, 20, 25, 30, 35, 40), None, 400, 60),
    # Clashes with the one before it.
    ("ZC-JZ", "节日加赠", None, "care", None, "高星级用户", "gift",
     (5, 10, 15, 20, 25, 30, 35, 40), None, 90, 30),
)  # fmt: skip
# KEEP-16: metric, department, floor or ceiling, value.
TARGETS = (
    ("retention_rate", MARKET, "at_least", 97.5),
    ("feedback_in_time_rate", CHANNEL, "at_least", 90.0),
    ("contact_rate", CHANNEL, "at_least", 85.0),
    ("soothed_count", CHANNEL, "at_least", 120.0),
    ("saved_count", FRONT, "at_least", 8.0),
    ("complaint_rate", FIELD, "at_most", 1.2),
)
TARGET_MONTHS = 6


@dataclass(frozen=True)
class RetentionFeedback:
    """Answers and measures in order of time; `second` is since 1970, -1 means none."""

    customer_ids: pa.Array
    subscription_ids: pa.Array
    staff: tuple[pa.Array, ...]  # of each department
    feedback: pd.DataFrame
    actions: pd.DataFrame


def simulate(world: World) -> RetentionFeedback:
    """Draw the answers to every month's risk list, the measures taken, and the requests."""
    listed = _risk_list(world)
    answers = _answers(world, listed)
    feedback = pd.concat(
        [answers, _requests(world), _experiences(world)], ignore_index=True
    ).sort_values("second", kind="stable", ignore_index=True)
    return RetentionFeedback(
        customer_ids=texts(world.population.customers["customer_id"]),
        subscription_ids=texts(world.population.subscriptions["subscription_id"]),
        staff=tuple(staff_ids(world, prefix) for prefix in STAFF_PREFIXES),
        feedback=feedback,
        actions=_actions(world, answers),
    )


def _risk_list(world: World) -> pd.DataFrame:
    """Return line, rule and month (as a number of months) of each case on a monthly list."""
    tickets = world.faults.tickets
    line = tickets["line"].to_numpy()
    reported = since_epoch(tickets["reported_at"].to_numpy())
    changed = since_epoch(tickets["changed_at"].to_numpy())
    is_closed = (tickets["final_state"] == "closed").to_numpy()
    is_long = is_closed & (changed - reported > LONG_DAYS * DAY)
    dispatches = world.faults.dispatches
    dispatched = since_epoch(dispatches["dispatched_at"].to_numpy())
    order = np.lexsort((dispatched, line[dispatches["ticket"]]))
    sent, sent_line = dispatched[order], line[dispatches["ticket"]][order]
    before = np.r_[np.full(REPEAT_DISPATCHES, -1), np.arange(len(sent) - REPEAT_DISPATCHES)]
    is_repeat = (
        (before >= 0) & (sent_line[before] == sent_line) & (sent - sent[before] < REPEAT_DAYS * DAY)
    )
    cases = pd.DataFrame(
        {
            "line": np.r_[line[is_long], sent_line[is_repeat]],
            "rule": np.r_[np.zeros(int(is_long.sum())), np.ones(int(is_repeat.sum()))],
            "second": np.r_[changed[is_long], sent[is_repeat]],
        }
    )
    moment = cases["second"].to_numpy().astype("datetime64[s]")
    cases["month"] = moment.astype("datetime64[M]").astype("int64")
    cases["rule"] = cases["rule"].astype("int64")
    cases = cases.sort_values("second", kind="stable")
    return cases.drop_duplicates(["line", "rule", "month"], ignore_index=True)


def _frame(count: int, **columns: Array | int) -> pd.DataFrame:
    values: dict[str, Array | int] = dict.fromkeys(
        ("customer", "line", "rule", "month", "handled", "result", "reason", "churn", "note"), -1
    )
    values |= {"importance": 1} | columns
    return pd.DataFrame({"position": np.arange(count)} | values).drop(columns="position")


def _answers(world: World, listed: pd.DataFrame) -> pd.DataFrame:
    """Answer in the month after the list's, by the 15th or the 20th, or some days late."""
    random = world.parameters.random("risk_answers")
    listed = listed[random.random(len(listed)) < ANSWERED_SHARE]
    count = len(listed)
    line, rule = listed["line"].to_numpy(), listed["rule"].to_numpy()
    customer = world.population.subscriptions["customer"].to_numpy()[line]
    month = listed["month"].to_numpy()
    following = (month + 1).astype("datetime64[M]").astype("datetime64[s]").astype("int64")
    is_market = random.random(count) < MARKET_SHARE
    due = np.where(is_market, MARKET_DAY, CHANNEL_DAY)
    in_time = random.random(count) < IN_TIME_SHARE
    day = np.where(in_time, random.integers(1, due), due + random.integers(0, 7, count))
    second = following + day * DAY + random.integers(9 * 3600, 18 * 3600, count)
    handled = (second // DAY - random.integers(1, 4, count)) * DAY
    handled += random.integers(9 * 3600, 18 * 3600, count)
    leaves = since_epoch(world.population.subscriptions["terminated_at"].to_numpy())[line] < handled
    saved = SAVED / (SAVED + SOOTHED)
    shares = (saved * 0.7, (1 - saved) * 0.7, 0.12, 0.02, 0.02, 0.0, UNREACHABLE_SHARE, 0.02)
    result = np.where(leaves, RESULTS.index("lost"), chosen(random, shares, count))
    has_reason = random.random(count) < 0.2
    return _frame(
        count,
        kind=0,
        customer=customer,
        line=line,
        rule=rule,
        month=month,
        department=np.where(is_market, MARKET, CHANNEL),
        handled=handled,
        second=second,
        result=result,
        churn=np.where(has_reason, chosen(random, (1, 3, 1, 2, 2), count), -1),
        importance=chosen(random, (1, 3, 2), count),
        note=chosen(random, (6, 1, 1, 2), count),
    )


def _requests(world: World) -> pd.DataFrame:
    """Ask for orders: repairs without effect, high-grade customers, high-grade urges (RISK-29)."""
    random = world.parameters.random("order_requests")
    tickets = world.faults.tickets.sort_values(["line", "reported_at"], kind="stable")
    line = tickets["line"].to_numpy()
    customer = world.population.subscriptions["customer"].to_numpy()[line]
    reported = since_epoch(tickets["reported_at"].to_numpy())
    earlier = np.arange(len(tickets)) - (REPEATED_TICKETS - 1)
    is_repeated = (
        (earlier >= 0)
        & (line[earlier] == line)
        & (reported - reported[earlier] < REPEATED_DAYS * DAY)
    )
    is_high = world.population.customers["star_level"].to_numpy()[customer] >= HIGH_STARS
    is_urged = tickets["urge_count"].to_numpy() > 1
    reason = np.where(is_repeated, 0, np.where(is_high & is_urged, 2, np.where(is_high, 1, -1)))
    share = np.where(reason == 1, REQUEST_SHARE / 5, REQUEST_SHARE)
    rows = np.flatnonzero((reason >= 0) & (random.random(len(tickets)) < share))
    second = reported[rows] + random.integers(3600, 2 * DAY, len(rows))
    ends = since_epoch(world.population.subscriptions["terminated_at"].to_numpy())
    rows, second = rows[second < ends[line[rows]]], second[second < ends[line[rows]]]
    return _frame(
        len(rows),
        kind=1,
        customer=customer[rows],
        line=line[rows],
        rule=np.where(reason[rows] == 0, 1, -1),
        department=FRONT,
        second=second,
        reason=reason[rows],
        importance=np.where(reason[rows] == 0, 1, 0),
        note=2,
    )


def _experiences(world: World) -> pd.DataFrame:
    """Departments share what they have learnt, a few times a month (KEEP-14)."""
    random = world.parameters.random("experiences")
    start = int(history_start(world.parameters.business_date).astype("int64"))
    days = (int(end_of(world.parameters.business_date).astype("int64")) - start) // DAY
    count = MONTHLY_EXPERIENCES * days // 30
    second = start + random.integers(0, days, count) * DAY + random.integers(32_400, 64_800, count)
    return _frame(
        count, kind=2, department=random.integers(0, len(DEPARTMENTS), count), second=second, note=4
    )


def _actions(world: World, answers: pd.DataFrame) -> pd.DataFrame:
    """Turn the answers of those who were reached into measures, a few with compensation."""
    random = world.parameters.random("soothing_actions")
    result = answers["result"].to_numpy()
    reached = np.isin(result, (RESULTS.index("saved"), RESULTS.index("soothed")))
    tried = (result == RESULTS.index("unreachable")) | reached
    rows = np.flatnonzero(tried)
    count = len(rows)
    outcome = np.where(reached[rows], result[rows], ACTION_RESULTS.index("unreachable"))
    refuses = (outcome == 1) & (random.random(count) < REFUSED_SHARE)
    is_long = answers["rule"].to_numpy()[rows] == 0
    share = COMPENSATED / (SAVED + SOOTHED + COMPENSATED) / max(is_long.mean(), 0.01)
    is_eligible = is_long & (outcome < 2) & ~refuses
    is_compensated = is_eligible & (random.random(count) < share)
    end = int(end_of(world.parameters.business_date).astype("int64"))
    is_past = answers["second"].to_numpy()[rows] < end
    is_compensated[np.flatnonzero(is_eligible & is_past)[-1:]] = True  # of a small operator, one
    mean = COMPENSATION / COMPENSATED
    amount = np.round(mean * random.uniform(0.6, 1.4, count))
    actions = pd.DataFrame(
        {
            "customer": answers["customer"].to_numpy()[rows],
            "line": answers["line"].to_numpy()[rows],
            "rule": answers["rule"].to_numpy()[rows],
            "second": answers["handled"].to_numpy()[rows],
            "kind": np.where(is_compensated, BILL_CREDIT, chosen(random, (5, 3, 1, 1), count)),
            "amount": np.where(is_compensated, amount, 0.0),
            "result": np.where(refuses, ACTION_RESULTS.index("refused"), outcome),
            "department": answers["department"].to_numpy()[rows],
            "note": np.where(random.random(count) < 0.3, chosen(random, (6, 1, 1), count), -1),
        }
    )
    return actions.sort_values("second", kind="stable", ignore_index=True)


def risk_feedback(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield what was fed back on the delivery's days."""
    known: RetentionFeedback = world.sources[NAME]
    for day in delivery.days:
        yield _feedback_rows(known, day, _of_day(known.feedback, day))


def _feedback_rows(known: RetentionFeedback, day: date, found: pd.DataFrame) -> pa.Table:
    column = arrays(found)
    month, handled = column["month"], column["handled"]
    return pa.table(
        {
            "feedback_id": numbered("B", day, len(found)),
            "feedback_kind": coded(FEEDBACK_KINDS, column["kind"]),
            "customer_id": taken(known.customer_ids, column["customer"]),
            "subscription_id": taken(known.subscription_ids, column["line"]),
            "rule_code": coded(RULES, column["rule"]),
            "remediation_order_id": pa.nulls(len(found), pa.string()),
            "risk_month": optional(
                month.astype("datetime64[M]").astype("datetime64[D]"), month < 0
            ),
            "department": coded(DEPARTMENTS, column["department"]),
            "staff_id": _staff(known, column["department"], column["second"]),
            "handled_at": optional(handled.astype("datetime64[s]"), handled < 0),
            "fed_back_at": column["second"].astype("datetime64[s]"),
            "result_code": coded(RESULTS, column["result"]),
            "request_reason": coded(REASONS, column["reason"]),
            "churn_reason": coded(CHURN_REASONS, column["churn"]),
            "importance": coded(IMPORTANCES, column["importance"]),
            "note": coded(NOTES, column["note"]),
        }
    )


def soothing_action(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the measures taken on the delivery's days."""
    known: RetentionFeedback = world.sources[NAME]
    stars = world.population.customers["star_level"].to_numpy()
    for day in delivery.days:
        found = _of_day(known.actions, day)
        column = arrays(found)
        is_compensated = column["amount"] > 0
        yield pa.table(
            {
                "action_id": numbered("D", day, len(found)),
                "customer_id": taken(known.customer_ids, column["customer"]),
                "subscription_id": taken(known.subscription_ids, column["line"]),
                "rule_code": coded(RULES, column["rule"]),
                "remediation_order_id": pa.nulls(len(found), pa.string()),
                "policy_code": coded([POLICIES[0][0]], np.where(is_compensated, 0, -1)),
                "acted_at": column["second"].astype("datetime64[s]"),
                "action_kind": coded(ACTIONS, column["kind"]),
                "compensation_amount": column["amount"],
                "is_operator_cause": optional(is_compensated, ~is_compensated),
                "star_level": stars[column["customer"]],
                "result_code": coded(ACTION_RESULTS, column["result"]),
                "department": coded(DEPARTMENTS, column["department"]),
                "staff_id": _staff(known, column["department"], column["second"]),
                "note": coded(NOTES, column["note"]),
            }
        )


def _of_day(events: pd.DataFrame, day: date) -> pd.DataFrame:
    low, high = np.searchsorted(events["second"].to_numpy(), day_span(day))
    return events.iloc[low:high]


def _staff(known: RetentionFeedback, department: Array, second: Array) -> pa.Array:
    """Return a member of the department; the moment decides who."""
    counts = np.array([len(group) for group in known.staff])
    first = np.r_[0, np.cumsum(counts)[:-1]]
    position = first[department] + second // 60 % counts[department]
    return taken(pa.concat_arrays(known.staff), position)


def policy(world: World, delivery: Delivery) -> Iterator[pd.DataFrame]:
    """Yield the policies issued up to the delivery, per star level."""
    today = world.parameters.business_date
    rows = []
    for code, name, brand, kind, product, group, means, amounts, rival, before, after in POLICIES:
        valid_from = today - timedelta(days=before)
        valid_to = None if after is None else today + timedelta(days=after)
        rows += [
            (code, star, valid_from, name, brand, kind, product, group, means, float(amount), rival,
             "market_department", valid_to)
            for star, amount in enumerate(amounts)
            if valid_from <= delivery.business_date
        ]  # fmt: skip
    names = (
        "policy_code star_level valid_from policy_name brand policy_class product_type "
        "customer_group action_kind subsidy_amount rival_offer department valid_to"
    )
    yield pd.DataFrame(rows, columns=names.split())


def target(world: World, delivery: Delivery) -> Iterator[pd.DataFrame]:
    """Yield the targets of the last months, by region, that were issued up to the delivery."""
    known: RetentionFeedback = world.sources[NAME]
    last = np.datetime64(delivery.business_date, "M") + 1
    rows = []
    for month in np.arange(last - TARGET_MONTHS, last + 1):
        first = month.astype("datetime64[D]").astype(date)
        issued = pd.Timestamp(first) - pd.Timedelta(hours=39)  # two days before, at nine
        if issued >= pd.Timestamp(delivery.end):
            continue
        rows += [
            (f"ZB{first:%Y%m}-{number * len(REGIONS) + place + 1:02d}", first,
             DEPARTMENTS[department], region, None, metric, value, comparison, issued,
             ((month + 1).astype("datetime64[D]") - 1).astype(date),
             known.staff[department][place].as_py())
            for number, (metric, department, comparison, value) in enumerate(TARGETS)
            for place, region in enumerate(REGIONS)
        ]  # fmt: skip
    names = (
        "target_id target_month department region county metric_code target_value comparison "
        "issued_at due_date owner_staff_id"
    )
    yield pd.DataFrame(rows, columns=names.split())


EXTRACTS = {
    "retention.risk_feedback": risk_feedback,
    "retention.soothing_action": soothing_action,
    "retention.policy": policy,
    "retention.target": target,
}
