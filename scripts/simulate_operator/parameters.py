"""Every figure of the simulated operator, with where it comes from.

A figure without a source is a choice that makes the simulated operator behave plausibly; the ids
(RISK-12, KEEP-04, …) are those of docs/requirements.md. Thresholds of the warning rules appear here
as the documents state them, on purpose apart from seeds/: the truth must not share code or data
with what it checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zlib import crc32

import numpy as np

DIRT_LEVELS = ("none", "rows", "full")


@dataclass(frozen=True)
class Parameters:
    """One simulated operator; the same parameters give the same bytes."""

    business_date: date
    seed: int = 7
    customer_count: int = 8000  # customers at the start of the history, and roughly at its end
    dirt: str = "rows"  # none; rows: broken, doubled and redelivered ones; full: faulty files too
    history_days: int | None = None  # so many daily deliveries; None: chunks first, see timeline
    snapshot_every_days: int = 1  # a large operator's snapshots need not come every day

    # Population
    broadband_share: float = 0.75  # customers who hold broadband
    broadband_only_share: float = 0.30  # … and nothing else; so 45 % hold broadband and mobile
    second_broadband_share: float = 0.03  # of broadband customers
    second_mobile_share: float = 0.10  # of mobile customers
    fixed_voice_share: float = 0.10  # of broadband customers
    ftth_share: float = 0.85  # of broadband lines; the rest is copper
    organisation_share: float = 0.03
    no_phone_share: float = 0.03
    do_not_call_share: float = 0.04
    no_identity_share: float = 0.02
    former_customer_share: float = 0.03  # left before the history starts, still in the snapshots
    monthly_join_share: float = 0.02  # new customers per month; equals churn, so the base is stable
    mean_tenure_days: float = 1300.0
    contract_share: float = 0.60  # subscriptions under a contract
    contract_renewal_share: float = 0.55  # contracts renewed within days of their end
    rent_wealth_correlation: float = 0.6

    # Faults (RISK-06 to RISK-11)
    monthly_fault_share: float = 0.02  # fault tickets per fixed line and month
    repeat_fault_line_share: float = 0.02  # lines with a burst of faults in 13 months
    overlong_ticket_share: float = 0.025  # tickets that take more than ten days
    overlong_burst_ticket_share: float = 0.06  # the same within a burst
    never_closed_ticket_share: float = 0.002
    cancelled_ticket_share: float = 0.025
    rejected_ticket_share: float = 0.015
    fault_history_days: int = 400  # first delivery reaches this far back: 12 months must be known

    # Optical (RISK-16)
    mean_optical_loss_db: float = 20.5
    drifting_line_share: float = 0.035  # ftth lines whose loss grows at some time of the history
    repaired_line_share: float = 0.35  # of drifting lines, back to normal after some weeks
    power_line_share: float = 0.12  # ftth lines whose readings come as received power in dBm
    power_reading_share: float = 0.03  # single readings of the other lines that come in dBm
    launch_power_dbm: float = 3.0  # received power = launch power - loss
    missed_reading_share: float = 0.03

    # Usage (RISK-13: 4.1 % above 1 GiB per online hour)
    mean_online_hours: float = 4.6  # per active line and day; keeps 8,000 × 180 days near 5 M rows
    heavy_usage_share: float = 0.041
    gibibytes_per_hour_sigma: float = 0.8  # spread of the lines' log rate; the share fixes its mean
    hourly_sigma: float = 0.6

    # Bills
    late_payment_logit: float = -2.9  # about 7 % of invoices are paid after their due date
    unpaid_logit: float = -4.7  # about 1.5 % are not paid for 40 days or ever
    later_paid_share: float = 0.6  # of those, paid after 40 to 110 days
    billing_history_months: int = 4  # months billed before the history starts

    # Churn
    monthly_churn: float = 0.02  # KEEP-04
    passive_share: float = 0.80  # KEEP-02: active : passive = 2 : 8
    disengaging_share: float = 0.03  # customers who begin to use their line less, per month
    reengaging_share: float = 0.40  # of the disengaged, return to their usual use, per month

    # Response to a call: share of customers, and the chance that a reached customer accepts.
    # The effect on churn of these types is the ground for judging an estimated uplift (P-17).
    response_types: tuple[tuple[str, float, float], ...] = (
        ("persuadable", 0.25, 0.65),
        ("sure", 0.45, 0.50),
        ("lost", 0.20, 0.10),
        ("sleeping_dog", 0.10, 0.15),
    )
    invalid_number_share: float = 0.01
    calls_per_agent_day: int = 150  # BI-18
    chosen_next_call_share: float = 0.25  # of missed calls, the agent sets the time (OUT-10)

    # Dirt
    dirty_row_share: float = 0.0003  # rows that break the contract, on top of the true rows
    redelivered_row_share: float = 0.0002  # duplicates, and events delivered on two days

    def random(self, stream: str, *numbers: int) -> np.random.Generator:
        """Return the generator of one aspect, so that aspects do not disturb each other."""
        return np.random.default_rng([self.seed, crc32(stream.encode()), *numbers])
