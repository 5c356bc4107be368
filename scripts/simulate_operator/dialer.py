"""Play the dialer: call every task of one night's lists and hand back the outcomes."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from scripts import database
from scripts.contracts import find_extract
from scripts.simulate_operator.landing import Landing
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.population import (
    hashed_uniform,
    reach_probabilities,
    response_types,
)
from scripts.simulate_operator.recordings import recordings
from scripts.simulate_operator.timeline import Array, days, midnight, seconds
from scripts.warehouse import Role

log = logging.getLogger(__name__)

FIRST_HOUR, LAST_HOUR = 9, 20  # calling hours, local time
LONGEST_CALL_SECONDS = 900
MINIMUM_AGENTS = 4
LONGEST_WAIT_DAYS = 5
MISSED = np.array(["no_answer", "busy", "switched_off"], dtype=object)
MISSED_SHARES = np.cumsum([0.65, 0.20, 0.15])

TASKS = """
    select call_task_id, customer_id
    from dialer.call_task
    where business_date = %(business_date)s
    order by call_task_id
"""


def call(parameters: Parameters, landing_dir: Path, truth_dir: Path | None = None) -> pd.DataFrame:
    """Call all tasks released for the business date on the day after; write and return the calls.

    With `truth_dir`, what the called customers are like goes there, out of the warehouse's sight.
    """
    tasks = pd.DataFrame(
        database.fetch_all(Role.DIALER, TASKS, business_date=parameters.business_date),
        columns=["call_task_id", "customer_id"],
    )
    calls = outcomes(parameters, tasks)
    calling_date = parameters.business_date + timedelta(days=1)
    # The dialer's file is clean: what a caller reports is not the place to plant dirt.
    landing = Landing(landing_dir, parameters)
    landing.write(find_extract("dialer", "call_outcome"), calling_date, [calls])
    landing.write(find_extract("dialer", "recording"), calling_date, [recordings(calls)])
    if truth_dir is not None:
        _write_truth(parameters, tasks, truth_dir)
    log.info("%d calls made on %s", len(calls), calling_date)
    return calls


def outcomes(parameters: Parameters, tasks: pd.DataFrame) -> pd.DataFrame:
    """Draw what becomes of each call; it depends on the seed, the night and the customer alone."""
    tasks = tasks.reset_index(drop=True)
    customers = tasks["customer_id"].to_numpy(dtype=object)
    keys = customers + f"/{parameters.business_date.isoformat()}"

    def uniform(stream: str) -> Array:
        return hashed_uniform(parameters, stream, keys)

    code = _outcome_codes(parameters, customers, uniform("reached"), uniform("taken"))
    is_reached = np.isin(code, ["accepted", "refused"])
    calling_date = parameters.business_date + timedelta(days=1)
    span = (LAST_HOUR - FIRST_HOUR) * 3600 - LONGEST_CALL_SECONDS
    called_at = midnight(calling_date) + seconds(FIRST_HOUR * 3600 + uniform("moment") * span)
    agent_count = max(MINIMUM_AGENTS, -(-len(tasks) // parameters.calls_per_agent_day))
    agent = pd.Series((uniform("agent") * agent_count).astype("int64") + 1).astype(str)
    talk = np.where(is_reached, 25 + uniform("talk") ** 2 * 600, 0).astype("int64")
    task_id = tasks["call_task_id"].astype("int64")
    calls = pd.DataFrame(
        {
            "call_id": f"SIM-{calling_date:%Y%m%d}-" + task_id.astype(str),
            "call_task_id": task_id,
            "agent_id": "A" + agent.str.zfill(3),
            "called_at": called_at,
            "outcome_code": code,
            "talk_seconds": talk,
            "next_call_at": _next_calls(
                parameters, called_at, code, uniform("next"), uniform("wait")
            ),
        }
    )
    return calls.sort_values(["called_at", "call_task_id"], ignore_index=True)


def _write_truth(parameters: Parameters, tasks: pd.DataFrame, truth_dir: Path) -> None:
    customers = tasks["customer_id"].to_numpy(dtype=object)
    truth_dir.mkdir(parents=True, exist_ok=True)
    tasks.assign(
        response_type=response_types(parameters, customers),
        reach_probability=reach_probabilities(parameters, customers),
    ).to_csv(
        truth_dir / f"called_customer_{parameters.business_date}.csv",
        index=False,
        lineterminator="\n",
    )


def _outcome_codes(parameters: Parameters, customers: Array, reached: Array, taken: Array) -> Array:
    acceptance = {name: chance for name, _, chance in parameters.response_types}
    kinds = pd.Series(response_types(parameters, customers), dtype=object)
    accepts = taken < kinds.map(acceptance).to_numpy(dtype="float64")
    code = MISSED[np.searchsorted(MISSED_SHARES[:-1], taken, side="right")]
    code = np.where(
        reached < reach_probabilities(parameters, customers),
        np.where(accepts, "accepted", "refused"),
        code,
    )
    is_invalid = hashed_uniform(parameters, "invalid", customers) < parameters.invalid_number_share
    return np.where(is_invalid, "invalid_number", code).astype(object)


def _next_calls(
    parameters: Parameters, called_at: Array, code: Array, chosen: Array, wait: Array
) -> Array:
    """For some missed calls the agent sets the next time: one to five days on, in calling hours."""
    is_chosen = np.isin(code, MISSED) & (chosen < parameters.chosen_next_call_share)
    day = called_at.astype("datetime64[D]").astype("datetime64[s]")
    later = day + days(1 + np.floor(wait * LONGEST_WAIT_DAYS))
    hour = FIRST_HOUR + np.floor(wait * 997 % (LAST_HOUR - FIRST_HOUR))
    moment = later + seconds(hour * 3600)
    return np.where(is_chosen, moment, np.datetime64("NaT", "s"))
