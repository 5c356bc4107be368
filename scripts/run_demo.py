"""The whole story on a simulated operator: deliveries, the night, the calls, what came back.

    python -m scripts.run_demo [--customers 8000] [--business-date 2026-11-20]

Writes demo extracts into the landing folder, runs the nightly DAG through Airflow, lets simulated
agents call the list on the day after and imports what they report. Running it again gives the same
result: nothing is loaded, listed or recorded twice.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from scripts.arguments import landing_dir
from scripts.import_outcomes import import_outcomes
from scripts.run_nightly import run_nightly
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.dialer import call
from scripts.simulate_operator.parameters import Parameters
from scripts.summarize_run import summarize_calls
from scripts.warehouse import PROJECT_DIR

DEMO_DATE = date(2026, 11, 20)
DEMO_CUSTOMERS = 8000
DEMO_SEED = 7

log = logging.getLogger(__name__)


def run_demo(customers: int, business_date: date, landing: Path) -> bool:
    """Run the story from the extracts to the recorded calls; return whether all of it succeeded."""
    started = time.monotonic()
    parameters = Parameters(
        business_date=business_date, seed=DEMO_SEED, customer_count=customers, dirt="rows"
    )
    log.info("writing the extracts of %d customers to %s", customers, landing)
    deliver(parameters, landing, PROJECT_DIR / "var" / "truth")
    if not run_nightly(business_date, landing):
        return False
    log.info("calling the list")
    call(parameters, landing, None)
    result = import_outcomes(business_date + timedelta(days=1), landing)
    log.info(
        "outcomes: %d rows loaded, %d rejected; %d calls recorded, %d recorded before,"
        " %d without an open task",
        result.load.rows_loaded,
        result.load.rows_rejected,
        result.applied.recorded_count,
        result.applied.duplicate_count,
        result.applied.unmatched_count,
    )
    sys.stdout.write(summarize_calls(business_date))
    log.info("demo finished in %.0f seconds", time.monotonic() - started)
    return True


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=DEMO_CUSTOMERS)
    parser.add_argument("--business-date", type=date.fromisoformat, default=DEMO_DATE)
    parser.add_argument("--landing-dir", type=Path, default=landing_dir())
    options = parser.parse_args()
    return 0 if run_demo(options.customers, options.business_date, options.landing_dir) else 1


if __name__ == "__main__":
    raise SystemExit(main())
