"""Who works and sells for the operator: staff, contractors, halls and dealers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scripts.simulate_operator.network import STAFF_COUNT
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import AREAS_PER_COUNTY, GIVEN, REGIONS, SURNAMES
from scripts.simulate_operator.timeline import Array, Delivery, days, history_start

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "organisation"
PLACES = tuple((region, county) for region, (_, counties) in REGIONS.items() for county in counties)
AREAS_PER_CONTRACTOR = 4
CONTRACTOR_COUNT = len(PLACES) * AREAS_PER_COUNTY // AREAS_PER_CONTRACTOR
CLERKS_PER_DEALER = 2
DEALERS_PER_PLACE = ("own_hall", "franchise", "agent", "agent")
ONLINE_COUNT = 3
DISCARDING_AGENT_EVERY = 6  # KEEP-05: every sixth agent sells cards that are thrown away
LEAVING_SHARE = 0.04  # of agents and sales clerks, within the history
# Per kind of dealer: commission and other cost of an activation (yuan), share of the bills (%).
DEALER_TERMS = {
    "own_hall": (0.0, 10.0, 0.0),
    "franchise": (25.0, 15.0, 3.0),
    "agent": (35.0, 20.0, 4.0),
    "online": (12.0, 15.0, 1.0),
}
# Prefix, first number, digits, count, role, department.
ROLES = (
    ("A", 1, 3, 200, "agent", "call_center"),
    ("KF", 101, 4, 300, "agent", "call_center"),
    ("ZG", 1, 3, 25, "agent_supervisor", "call_center"),
    ("KH", 1, 3, 40, "account_manager", "market"),
    ("SC", 1, 4, 10, "service_manager", "market"),
    ("QD", 1, 3, 10, "channel_manager", "channel"),
    ("DD", 1, 4, 12, "dispatcher", "dispatch"),
    ("GC", 1, 3, 15, "service_manager", "engineering"),
    ("ZJ", 1, 3, len(PLACES), "field_manager", "field"),
    ("ZW", 1, 4, STAFF_COUNT, "technician", "field"),
    ("BD", 1, 4, CONTRACTOR_COUNT, "grid_contractor", "field"),
)  # fmt: skip


@dataclass(frozen=True)
class Organisation:
    """Staff and dealers; a dealer's `place` and `is_discarding` are known to no extract."""

    staff: pd.DataFrame
    dealers: pd.DataFrame


def simulate(world: World) -> Organisation:
    """Found the halls and hire the staff."""
    dealers = _dealers(world.parameters)
    return Organisation(_staff(world.parameters, dealers), dealers)


def staff(world: World, delivery: Delivery) -> Iterator[pd.DataFrame]:
    people: pd.DataFrame = world.sources[NAME].staff
    yield _until(people, "left_date", delivery)


def dealers(world: World, delivery: Delivery) -> Iterator[pd.DataFrame]:
    halls: pd.DataFrame = world.sources[NAME].dealers
    yield _until(halls, "closed_date", delivery)


def _until(frame: pd.DataFrame, column: str, delivery: Delivery) -> pd.DataFrame:
    """Blank the end that lies after the delivery."""
    ends = frame[column].to_numpy()
    return frame.assign(**{column: np.where(ends < delivery.end, ends, np.datetime64("NaT", "s"))})


def _dealers(parameters: Parameters) -> pd.DataFrame:
    random = parameters.random("dealers")
    places = np.arange(len(PLACES))
    place = np.r_[np.repeat(places, len(DEALERS_PER_PLACE)), np.full(ONLINE_COUNT, -1)]
    kind = np.array(list(DEALERS_PER_PLACE) * len(PLACES) + ["online"] * ONLINE_COUNT, dtype=object)
    count = len(place)
    start = history_start(parameters.business_date)
    closes = (kind == "agent") & (random.random(count) < 0.08)
    closed = _days_of(start + days(random.uniform(10, 170, count)))
    words = {"own_hall": "自营厅", "franchise": "加盟厅", "agent": "代理|点", "online": "线上店"}
    names = [
        f"{PLACES[where][1] if where >= 0 else '東网'}{number:02d}{words[what]}"
        for number, (where, what) in enumerate(zip(place, kind, strict=True), start=1)
    ]
    agents = np.cumsum(kind == "agent")
    terms = np.array([DEALER_TERMS[what] for what in kind])
    return pd.DataFrame(
        {
            "dealer_id": [f"WD{number:04d}" for number in range(1, count + 1)],
            "dealer_name": names,
            "dealer_kind": kind,
            "region": [PLACES[where][0] if where >= 0 else None for where in place],
            "county": [PLACES[where][1] if where >= 0 else None for where in place],
            "opened_date": _days_of(start - days(random.uniform(400, 5000, count))),
            "closed_date": np.where(closes, closed, np.datetime64("NaT", "s")),
            "manager_staff_id": [f"QD{number % 10 + 1:03d}" for number in range(count)],
            "activation_commission_amount": terms[:, 0],
            "activation_subsidy_amount": terms[:, 1],
            "monthly_share_percent": terms[:, 2],
            "place": place,
            "is_discarding": (kind == "agent") & ~closes & (agents % DISCARDING_AGENT_EVERY == 1),
        }
    )


def _staff(parameters: Parameters, dealers: pd.DataFrame) -> pd.DataFrame:
    frames = [_role(*role) for role in ROLES]
    clerks = _role("YY", 1, 4, CLERKS_PER_DEALER * len(dealers), "sales_clerk", "channel")
    hall = clerks["number"].to_numpy() // CLERKS_PER_DEALER
    for column in ("dealer_id", "region", "county"):
        clerks[column] = dealers[column].to_numpy(dtype=object)[hall]
    people = pd.concat([*frames, clerks], ignore_index=True).drop(columns="number")
    random = parameters.random("staff")
    count = len(people)
    surname, given = (
        np.array(list(letters), dtype=object)[random.integers(0, len(letters), count)]
        for letters in (SURNAMES, GIVEN)
    )
    start = history_start(parameters.business_date)
    people.insert(1, "staff_name", surname + given)
    people["hired_date"] = _days_of(start - days(random.uniform(60, 6000, count)))
    may_leave = people["staff_role"].isin(["agent", "sales_clerk"]).to_numpy()
    leaves = may_leave & (random.random(count) < LEAVING_SHARE)
    left = _days_of(start + days(random.uniform(5, 175, count)))
    people["left_date"] = np.where(leaves, left, np.datetime64("NaT", "s"))
    return people


def _role(
    prefix: str, first: int, digits: int, count: int, role: str, department: str
) -> pd.DataFrame:
    """Return the members of one role; field staff belong to a place and its field manager."""
    number = np.arange(count)
    place = number * len(PLACES) // count if department == "field" else np.full(count, -1)
    supervisor = {
        "agent": [f"ZG{n % 25 + 1:03d}" for n in number],
        "technician": [f"ZJ{where + 1:03d}" for where in place],
        "grid_contractor": [f"ZJ{where + 1:03d}" for where in place],
    }
    has_team = role in ("agent", "technician")
    return pd.DataFrame(
        {
            "staff_id": [f"{prefix}{n + first:0{digits}d}" for n in number],
            "staff_role": role,
            "department_code": department,
            "team_code": [f"{department}_{n % 10 + 1:02d}" if has_team else None for n in number],
            "region": [PLACES[where][0] if where >= 0 else None for where in place],
            "county": [PLACES[where][1] if where >= 0 else None for where in place],
            "supervisor_staff_id": supervisor.get(role, [None] * count),
            "dealer_id": [None] * count,
            "number": number,
        },
        dtype=object,
    ).astype({"number": "int64"})


def _days_of(moments: Array) -> Array:
    return np.asarray(moments.astype("datetime64[D]").astype("datetime64[s]"))


EXTRACTS = {"crm.staff": staff, "crm.dealer": dealers}
