"""Tests of copper lines and the resources of the cross-connect areas.

Every copper line is tested weekly. Three hazards come and go: a loose joint (虚接), high-energy
noise (高能噪声) and an imbalance (线路不平衡); some areas and some lines have more than others.
Exact cases for the triple hazard (RISK-15) and the ten worst areas (RISK-14) are planted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import taken, texts
from scripts.simulate_operator.organisation import AREAS_PER_CONTRACTOR, PLACES
from scripts.simulate_operator.population import AREAS_PER_COUNTY
from scripts.simulate_operator.timeline import (
    Array,
    Delivery,
    days,
    end_of,
    history_start,
    midnight,
    seconds,
)

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "line_tests"
NEVER = np.datetime64("NaT", "s")
SECOND = np.timedelta64(1, "s")
HAZARDS = ("has_loose_joint", "has_high_energy_noise", "has_line_imbalance")
AREA_COUNT = len(PLACES) * AREAS_PER_COUNTY

# Limits of the rules. The documents give none but the ten areas and the three hazards together.
TEST_WINDOW_DAYS = 30  # the latest test counts, if it is not older
TOP_AREA_COUNT = 10  # RISK-14: areas with the most hazardous lines; ties go by the area's code

# What the test system flags: a reading beyond these.
LOOSE_JOINT_OHMS = 10.0
HIGH_NOISE_DBM_HZ = -110.0
IMBALANCE_DB = 45.0


@dataclass(frozen=True)
class Figures:
    """How bad copper is; without a source the figure is a plausible choice."""

    hazard_shares: tuple[float, float, float] = (0.05, 0.035, 0.035)  # of lines, some time
    bad_line_share: float = 0.012  # lines with all three
    bad_area_share: float = 0.08
    bad_area_factor: float = 5.0
    repaired_share: float = 0.35
    missed_test_share: float = 0.03
    full_area_share: float = 0.3  # areas without a free fibre port
    pending_work_share: float = 0.15


FIGURES = Figures()


@dataclass(frozen=True)
class LineTests:
    """The copper lines, when each hazard begins and ends, and the planted tests."""

    lines: Array
    begins: Array  # lines x hazards
    ends: Array
    length_m: Array
    is_planted: Array
    planted: pd.DataFrame  # line, tested_at and the three flags
    triple_cases: pd.DataFrame
    areas: pd.DataFrame
    area: Array  # per subscription, the number of its area
    is_fibre: Array
    is_copper: Array
    ids: pa.Array


def simulate(world: World) -> LineTests:
    """Draw the hazards of every copper line, plant the cases, describe the areas."""
    random = world.parameters.random("line_tests")
    subscriptions = world.population.subscriptions
    lines = np.flatnonzero((subscriptions["access_type"] == "copper").to_numpy())
    everywhere = area_numbers(world)
    area = everywhere[lines]
    is_bad_area = random.random(AREA_COUNT) < FIGURES.bad_area_share
    factor = np.where(is_bad_area, FIGURES.bad_area_factor, 0.7)[area]
    start = history_start(world.parameters.business_date)
    shape = (len(lines), len(HAZARDS))
    onset = start + days(random.uniform(-250, 175, shape))
    has = random.random(shape) < np.array(FIGURES.hazard_shares) * factor[:, None]
    is_bad = random.random(len(lines)) < FIGURES.bad_line_share
    onset[is_bad] = onset[is_bad][:, :1]
    has |= is_bad[:, None]
    repair = onset + days(random.uniform(20, 120, shape))
    repair[is_bad] = repair[is_bad][:, :1]
    is_repaired = random.random(shape) < FIGURES.repaired_share
    is_repaired[is_bad] = is_repaired[is_bad][:, :1]
    begins = np.where(has, onset, NEVER)
    ends = np.where(has & is_repaired, repair, NEVER)
    planted, cases = _planted(world, lines)
    _plant_areas(world, lines, begins, ends, cases)
    return LineTests(
        lines=lines,
        begins=begins,
        ends=ends,
        length_m=random.gamma(4.0, 450.0, len(lines)).clip(80, 6000).astype("int64"),
        is_planted=np.isin(lines, cases["line"]),
        planted=planted,
        triple_cases=cases,
        areas=_areas(world),
        area=everywhere,
        is_fibre=(subscriptions["access_type"] == "ftth").to_numpy(),
        is_copper=(subscriptions["access_type"] == "copper").to_numpy(),
        ids=texts(subscriptions["subscription_id"]),
    )


def copper_tests(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield each day's tests, then the planted ones."""
    source: LineTests = world.sources[NAME]
    for day in delivery.days:
        tests = _tests_of_day(world, day)
        yield _measured(world, tests, day.toordinal())
    planted = source.planted[delivery.has_events(source.planted["tested_at"].to_numpy())]
    yield _measured(world, planted, delivery.business_date.toordinal() + 10**7)


def access_resources(world: World, delivery: Delivery) -> Iterator[pd.DataFrame]:
    """Yield the areas with the connections in use at the end of the business date."""
    source: LineTests = world.sources[NAME]
    areas = source.areas
    subscriptions = world.population.subscriptions
    lives = (subscriptions["activated_at"].to_numpy() < delivery.end) & ~(
        subscriptions["terminated_at"].to_numpy() < delivery.end
    )
    in_use = {
        kind: np.bincount(source.area[lives & is_such], minlength=AREA_COUNT)
        for kind, is_such in (("ftth", source.is_fibre), ("copper", source.is_copper))
    }
    free = np.where(areas["is_full"], 0, areas["ftth_port_count"] - in_use["ftth"]).clip(0)
    yield areas.assign(
        ftth_port_count=np.where(areas["is_full"], in_use["ftth"], areas["ftth_port_count"]),
        ftth_free_port_count=free,
        copper_used_pair_count=in_use["copper"],
    )


def planted_cases(world: World) -> pd.DataFrame:
    """Return the planted lines: rule_code, subscription_id, case_name, is_raised."""
    source: LineTests = world.sources[NAME]
    cases = pd.concat([source.triple_cases, _area_cases(world)], ignore_index=True)
    ids = world.population.subscriptions["subscription_id"].to_numpy()
    return cases.assign(subscription_id=ids[cases["line"]])[
        ["rule_code", "subscription_id", "case_name", "is_raised"]
    ]


def expected_warnings(world: World) -> dict[str, Array]:
    """Return per rule which subscriptions must be warned of, active ones or not."""
    latest = latest_tests(world)
    count = len(world.population.subscriptions)
    is_triple, is_worst = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    is_triple[latest["line"][latest[list(HAZARDS)].all(axis="columns")]] = True
    hazardous = _hazardous(world, latest)
    worst = _ranked_areas(hazardous).index[:TOP_AREA_COUNT]
    is_worst[hazardous["line"][hazardous["area"].isin(worst)]] = True
    return {"triple_line_fault": is_triple, "cross_connect_top10": is_worst}


def latest_tests(world: World) -> pd.DataFrame:
    """Return each line's latest test, if it lies within the window: line, tested_at, flags."""
    source: LineTests = world.sources[NAME]
    last = world.parameters.business_date
    frames = [
        _tests_of_day(world, last - timedelta(days=number)) for number in range(TEST_WINDOW_DAYS)
    ]
    tests = pd.concat([*frames, source.planted], ignore_index=True)
    end = end_of(last)
    moment = tests["tested_at"].to_numpy()
    tests = tests[(moment >= end - days(TEST_WINDOW_DAYS)) & (moment < end)]
    return tests.sort_values("tested_at").drop_duplicates("line", keep="last", ignore_index=True)


def area_numbers(world: World) -> Array:
    """Return the number of each subscription's area (0 for who has none)."""
    codes = world.population.subscriptions["cross_connect_area_id"]
    return codes.str[2:].fillna("0").astype("int64").to_numpy()


def _hazardous(world: World, latest: pd.DataFrame) -> pd.DataFrame:
    """Return the lines alive at the end whose latest test flags a hazard, with their area."""
    subscriptions = world.population.subscriptions
    end = end_of(world.parameters.business_date)
    lives = ~(subscriptions["terminated_at"].to_numpy() < end)
    rows = latest[latest[list(HAZARDS)].any(axis="columns") & lives[latest["line"]]]
    codes = subscriptions["cross_connect_area_id"].to_numpy(dtype=object)
    return rows.assign(area=codes[rows["line"]])


def _ranked_areas(hazardous: pd.DataFrame) -> pd.Series:
    """Return the number of hazardous lines per area, worst first, then by the area's code."""
    counts = hazardous.groupby("area").size().rename("lines").reset_index()
    return counts.sort_values(["lines", "area"], ascending=[False, True]).set_index("area")["lines"]


def _area_cases(world: World) -> pd.DataFrame:
    """Return lines of the tenth and the eleventh area."""
    latest = latest_tests(world)
    hazardous = _hazardous(world, latest)
    ranked = _ranked_areas(hazardous).index
    codes = world.population.subscriptions["cross_connect_area_id"].to_numpy(dtype=object)
    sound = latest[~latest[list(HAZARDS)].any(axis="columns")]
    sound = sound.assign(area=codes[sound["line"]])
    cases = []
    for name, lines, rank, is_raised in (
        ("a hazard in the first area", hazardous, 0, True),
        ("a hazard in the tenth area", hazardous, TOP_AREA_COUNT - 1, True),
        ("a hazard in the eleventh area", hazardous, TOP_AREA_COUNT, False),
        ("no hazard, in the tenth area", sound, TOP_AREA_COUNT - 1, False),
    ):
        found = lines.loc[lines["area"] == ranked[rank], "line"]
        if len(found):
            cases.append(
                {
                    "line": int(found.min()),
                    "rule_code": "cross_connect_top10",
                    "case_name": name,
                    "is_raised": is_raised,
                }
            )
    return pd.DataFrame(cases)


def _tests_of_day(world: World, day: date) -> pd.DataFrame:
    """Test a seventh of the lines in the small hours: line, tested_at, flags."""
    source: LineTests = world.sources[NAME]
    subscriptions = world.population.subscriptions
    random = world.parameters.random("copper_tests", day.toordinal())
    count = len(source.lines)
    tested = midnight(day) + seconds(random.uniform(2 * 3600, 5 * 3600, count))
    is_tested = random.random(count) >= FIGURES.missed_test_share
    is_tested &= ~source.is_planted & ((source.lines + day.toordinal()) % 7 == 0)
    is_tested &= subscriptions["activated_at"].to_numpy()[source.lines] < midnight(day)
    is_tested &= ~(subscriptions["terminated_at"].to_numpy()[source.lines] < tested)
    rows = np.flatnonzero(is_tested)
    moment = tested[rows][:, None]
    flags = (source.begins[rows] <= moment) & ~(source.ends[rows] <= moment)
    return pd.DataFrame(
        {"line": source.lines[rows], "tested_at": tested[rows]}
        | {name: flags[:, number] for number, name in enumerate(HAZARDS)}
    )


def _measured(world: World, tests: pd.DataFrame, stream: int) -> pa.Table:
    """Add what was measured; a reading lies on the side of the limit that its flag says."""
    source: LineTests = world.sources[NAME]
    random = world.parameters.random("copper_readings", stream)
    line = tests["line"].to_numpy(dtype="int64")
    count = len(line)
    loose, noisy, unequal = (tests[name].to_numpy(dtype=bool) for name in HAZARDS)
    length = source.length_m[np.searchsorted(source.lines, line)]
    joint = np.where(loose, LOOSE_JOINT_OHMS + 0.5, 0.5) + random.gamma(2.0, 1.5, count).clip(0, 9)
    noise = np.where(noisy, HIGH_NOISE_DBM_HZ + 1, -139) + random.uniform(0, 22, count)
    balance = np.where(unequal, IMBALANCE_DB - 15, IMBALANCE_DB + 5) + random.uniform(0, 14, count)
    attenuation = 4 + length * 0.0138 + random.normal(0, 0.5, count)
    hazards = loose * 1 + noisy * 1 + unequal * 1
    margin = 12 - 2.6 * hazards + random.normal(0, 1.2, count)
    rate = (60 * np.exp(-length / 1800) * (1 - 0.22 * hazards)).clip(0.5)
    return pa.table(
        {
            "subscription_id": taken(source.ids, line),
            "tested_at": pa.array(tests["tested_at"].to_numpy().astype("datetime64[s]")),
            "joint_resistance_ohms": pa.array(np.round(joint, 3)),
            "high_energy_noise_dbm_hz": pa.array(np.round(noise, 3)),
            "longitudinal_balance_db": pa.array(np.round(balance, 3)),
            **{
                name: pa.array(flags)
                for name, flags in zip(HAZARDS, (loose, noisy, unequal), strict=True)
            },
            "attenuation_db": pa.array(np.round(attenuation.clip(0.5), 3)),
            "noise_margin_db": pa.array(np.round(margin.clip(-2), 3)),
            "attainable_rate_mbps": pa.array(np.round(rate, 3)),
            "loop_length_m": pa.array(length),
        }
    )


def _planted(world: World, lines: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Plant tests with all three hazards, with two, and on both sides of the window."""
    end = end_of(world.parameters.business_date)
    recent, earlier = end - days(1.8), end - days(8.8)
    window = end - days(TEST_WINDOW_DAYS)
    everything, nothing = (True, True, True), (False, False, False)
    cases: tuple[tuple[str, bool, list[tuple[Any, tuple[bool, bool, bool]]]], ...] = (
        ("all three hazards", True, [(recent, everything)]),
        ("no loose joint", False, [(recent, (False, True, True))]),
        ("no high-energy noise", False, [(recent, (True, False, True))]),
        ("no imbalance", False, [(recent, (True, True, False))]),
        ("not in the same test", False, [(earlier, (True, True, False)),
                                         (recent, (False, False, True))]),
        ("all three, repaired since", False, [(earlier, everything), (recent, nothing)]),
        ("all three at the window's start", True, [(window, everything)]),
        ("all three a second too early", False, [(window - SECOND, everything)]),
        ("all three in the last second", True, [(recent, nothing), (end - SECOND, everything)]),
        ("all three at the end of the day", False, [(recent, nothing), (end, everything)]),
    )  # fmt: skip
    free = iter(_suitable_lines(world, lines))
    tests, found = [], []
    for name, is_raised, rows in cases:
        line = next(free, None)
        if line is None:
            raise ValueError("too few copper lines to plant every case; take 300 customers or more")
        found.append(
            {
                "line": line,
                "rule_code": "triple_line_fault",
                "case_name": name,
                "is_raised": is_raised,
            }
        )
        tests += [
            {"line": line, "tested_at": moment} | dict(zip(HAZARDS, flags, strict=True))
            for moment, flags in rows
        ]
    return pd.DataFrame(tests).astype({"tested_at": "datetime64[s]"}), pd.DataFrame(found)


def _suitable_lines(world: World, lines: Array) -> list[int]:
    """Return copper lines that live through the whole history, broadband first."""
    subscriptions = world.population.subscriptions
    start = history_start(world.parameters.business_date)
    lives = (subscriptions["activated_at"].to_numpy() < start) & np.isnat(
        subscriptions["terminated_at"].to_numpy()
    )
    is_broadband = (subscriptions["product_type"] == "broadband").to_numpy()
    suitable = lines[lives[lines]]
    order = np.argsort(~is_broadband[suitable], kind="stable")
    return [int(line) for line in suitable[order][:100]]


def _plant_areas(
    world: World, lines: Array, begins: Array, ends: Array, cases: pd.DataFrame
) -> None:
    """Give twelve areas a standing hazard, so that even a small operator has an eleventh area."""
    start = history_start(world.parameters.business_date)
    subscriptions = world.population.subscriptions
    lives = (subscriptions["activated_at"].to_numpy() < start) & np.isnat(
        subscriptions["terminated_at"].to_numpy()
    )
    is_free = lives[lines] & ~np.isin(lines, cases["line"])
    area = area_numbers(world)[lines]
    _, first = np.unique(area[is_free], return_index=True)
    chosen = np.flatnonzero(is_free)[first][: TOP_AREA_COUNT + 2]
    begins[chosen, 0] = start - days(10)
    ends[chosen, 0] = NEVER


def _areas(world: World) -> pd.DataFrame:
    """Describe every cross-connect area: place, fibre, copper, works, who looks after it."""
    random = world.parameters.random("areas")
    population = world.population
    number = np.arange(AREA_COUNT)
    place = number // AREAS_PER_COUNTY
    area = area_numbers(world)
    access = population.subscriptions["access_type"].to_numpy(dtype=object)
    fibre = np.bincount(area[access == "ftth"], minlength=AREA_COUNT)
    copper = np.bincount(area[access == "copper"], minlength=AREA_COUNT)
    activated = population.subscriptions["activated_at"].to_numpy()
    covered_since = np.full(AREA_COUNT, history_start(world.parameters.business_date))
    np.minimum.at(covered_since, area[access == "ftth"], activated[access == "ftth"])
    is_covered = fibre > 0
    work = np.where(random.random(AREA_COUNT) < FIGURES.pending_work_share,
                    random.integers(1, 3, AREA_COUNT), -1)  # fmt: skip
    work = np.where(~is_covered, 0, work)
    works = ("ftth_construction", "trunk_repair", "area_overhaul")
    due = end_of(world.parameters.business_date) + days(random.integers(5, 150, AREA_COUNT))
    counties = [PLACES[where][1] for where in place]
    olt = [f"OLT{n // 6 + 1:05d}" if fibred else None
           for n, fibred in zip(number, is_covered, strict=True)]  # fmt: skip
    port = [f"0/{n % 6 + 1}/1" if fibred else None
            for n, fibred in zip(number, is_covered, strict=True)]  # fmt: skip
    return pd.DataFrame(
        {
            "cross_connect_area_id": [f"JJ{n:04d}" for n in number],
            "area_name": [
                f"{county}{n % AREAS_PER_COUNTY + 1:02d}号交接区"
                for county, n in zip(counties, number, strict=True)
            ],
            "region": [PLACES[where][0] for where in place],
            "county": counties,
            "olt_id": olt,
            "pon_port_code": port,
            "is_ftth_covered": is_covered,
            "ftth_covered_date": np.where(is_covered, covered_since - days(30), NEVER),
            "ftth_port_count": (fibre * 5 // 4 + 8) * is_covered,
            "copper_pair_count": copper * 3 + 20,
            "pending_work_kind": [works[kind] if kind >= 0 else None for kind in work],
            "pending_work_due_date": np.where(work >= 0, due, NEVER),
            "field_manager_staff_id": [f"ZJ{where + 1:03d}" for where in place],
            "grid_contractor_staff_id": [f"BD{n // AREAS_PER_CONTRACTOR + 1:04d}" for n in number],
            "is_full": is_covered & (random.random(AREA_COUNT) < FIGURES.full_area_share),
        }
    )


EXTRACTS = {"line.copper_test": copper_tests, "line.access_resource": access_resources}
