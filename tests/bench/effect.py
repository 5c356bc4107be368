"""The estimated effect of campaigns against the planted one: a hundred simulated campaigns.

The simulator calls the treated; what it planted in each customer decides what the call changes.
The report of the warehouse (marts.rpt_campaign_effect) sees arms and losses alone, and its 95 %
interval has to hold the true effect of most campaigns, but not of all: then it would be too wide.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scripts import run_dbt
from scripts.database import connect, fetch_all
from scripts.simulate_operator.dialer import outcomes
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import response_types
from scripts.warehouse import Role
from tests.bench.histories import drop_database, use_database
from tests.bench.measure import Limit, Measure

NIGHT = date(2026, 11, 20)
DECISION_DATE = date(2026, 10, 19)
CAMPAIGNS = 100
CUSTOMERS = 4000
CONTROL_SHARES = (0.1, 0.2, 0.3)
BASE_LOSS = 0.15  # of those whom a warning campaign picks, within the horizon
LOSS_SPREAD = 0.6  # of the customers' log hazard
# Campaigns differ in whom they pick: from the first, half of whose customers are sleeping dogs, to
# the last, most of whose are persuadable.
MOST_PERSUADABLE, MOST_SLEEPING_DOGS, LOST = 0.8, 0.5, 0.1
# What a call does to the hazard of a persuadable who accepts, and of a sleeping dog who is reached.
PERSUADED_FACTOR, PROVOKED_FACTOR = 0.1, 2.0
SEED = 20261120
FEWEST_HELD, MOST_HELD = 90, 99


def measures(folder: Path) -> list[Measure]:
    """Return how many intervals miss the truth, and how many hold it."""

    @cache
    def held() -> int:
        return _intervals_that_hold(folder / "effect" / "target")

    what = f"{CAMPAIGNS} campaigns of {CUSTOMERS:,}: 95 % intervals that"
    return [
        Limit(f"{what} miss the true effect", lambda: CAMPAIGNS - held(), CAMPAIGNS - FEWEST_HELD),
        Limit(f"{what} hold it", held, MOST_HELD),
    ]


def _intervals_that_hold(target_dir: Path) -> int:
    campaigns = [_simulate(number) for number in range(CAMPAIGNS)]
    use_database("effect")
    try:
        _store(pd.concat(participants for participants, _ in campaigns))
        settings = {"business_date": NIGHT.isoformat()}
        selection = ["--select", "retention_parameter", "rpt_campaign_effect"]
        kinds = ["--resource-type", "seed", "--resource-type", "model"]
        run_dbt.run(["build", *selection, *kinds], settings, target_dir)
        estimates = fetch_all(
            Role.TRANSFORMER,
            "select saved_rate_low, saved_rate_high from marts.rpt_campaign_effect"
            " order by revisit_tag",
        )
    finally:
        drop_database("effect")
    if len(estimates) != CAMPAIGNS:
        raise RuntimeError(f"{len(estimates)} of {CAMPAIGNS} campaigns are in the report")
    return sum(
        row["saved_rate_low"] <= truth <= row["saved_rate_high"]
        for row, (_, truth) in zip(estimates, campaigns, strict=True)
    )


def _simulate(number: int) -> tuple[pd.DataFrame, float]:
    """Return the participants of one campaign and its true effect.

    The true effect is the mean over all participants of the probability of leaving if held out less
    that if called.
    """
    parameters = _operator(number)
    random = np.random.default_rng([SEED, number])
    customers = pd.Series([f"C{number:03d}-{n:05d}" for n in range(CUSTOMERS)], dtype=object)
    hazard = _hazards(random)
    tasks = pd.DataFrame({"call_task_id": np.arange(1, CUSTOMERS + 1), "customer_id": customers})
    calls = outcomes(parameters, tasks).set_index("call_task_id")
    code = calls["outcome_code"].reindex(tasks["call_task_id"]).to_numpy()
    kind = response_types(parameters, customers.to_numpy())
    factor = np.ones(CUSTOMERS)
    factor[(kind == "persuadable") & (code == "accepted")] = PERSUADED_FACTOR
    factor[(kind == "sleeping_dog") & np.isin(code, ["accepted", "refused"])] = PROVOKED_FACTOR
    called_hazard = np.minimum(hazard * factor, 1.0)
    is_treated = random.random(CUSTOMERS) >= CONTROL_SHARES[number % len(CONTROL_SHARES)]
    is_lost = random.random(CUSTOMERS) < np.where(is_treated, called_hazard, hazard)
    participants = pd.DataFrame(
        {
            "revisit_tag": f"campaign_{number:03d}",
            "customer_id": customers,
            "is_treated": is_treated,
            "is_lost": is_lost,
        }
    )
    return participants, float(np.mean(hazard - called_hazard))


def _operator(number: int) -> Parameters:
    """Return the operator of one campaign, with the kinds of customers that it picks."""
    place = number / (CAMPAIGNS - 1)
    share = {
        "persuadable": MOST_PERSUADABLE * place,
        "sleeping_dog": MOST_SLEEPING_DOGS * (1 - place),
        "lost": LOST,
    }
    share["sure"] = 1 - sum(share.values())
    kinds = tuple((kind, share[kind], chance) for kind, _, chance in Parameters.response_types)
    return Parameters(DECISION_DATE, seed=SEED + number, response_types=kinds)


def _hazards(random: np.random.Generator) -> NDArray[np.float64]:
    """Draw the customers' probabilities of leaving, with the mean BASE_LOSS."""
    log_mean = np.log(BASE_LOSS) - LOSS_SPREAD**2 / 2
    return np.minimum(random.lognormal(log_mean, LOSS_SPREAD, CUSTOMERS), 1.0)


def _store(participants: pd.DataFrame) -> None:
    """Put the participants where the report looks for them; every value is 100 yuan a month."""
    with connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table intermediate.int_campaign_participants (decision_month date,"
            " revisit_tag text, customer_id text, decision_date date,"
            " monthly_value_amount numeric, is_treated boolean, is_lost boolean)"
        )
        with connection.cursor().copy(
            "copy intermediate.int_campaign_participants from stdin"
        ) as copy:
            for tag, customer, is_treated, is_lost in participants.itertuples(index=False):
                copy.write_row(
                    (
                        *(DECISION_DATE.replace(day=1), tag, customer, DECISION_DATE, 100),
                        *(is_treated, is_lost),
                    )
                )
