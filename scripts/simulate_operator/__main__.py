"""Simulate the operator's source systems and its dialer.

python -m scripts.simulate_operator deliver    write the extracts and the truth behind them
python -m scripts.simulate_operator call       call the lists of one night, write the outcomes
"""

from __future__ import annotations

import argparse
import logging
from datetime import date
from pathlib import Path

from scripts import arguments as shared_arguments
from scripts.simulate_operator.parameters import Parameters
from scripts.warehouse import PROJECT_DIR

log = logging.getLogger("simulate_operator")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.action == "deliver":
        return _deliver(options)
    return _call(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.simulate_operator", description=(__doc__ or "").splitlines()[0]
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--business-date", type=date.fromisoformat, required=True)
    shared.add_argument("--seed", type=int, default=7)
    shared_arguments.add_landing_dir(shared)
    actions = parser.add_subparsers(dest="action", required=True)
    deliver = actions.add_parser("deliver", parents=[shared], help="write extracts and truth")
    deliver.add_argument("--customers", type=int, default=8000)
    deliver.add_argument("--truth-dir", type=Path, default=PROJECT_DIR / "var" / "truth")
    deliver.add_argument(
        "--clean", action="store_true", help="no broken, duplicate or redelivered rows"
    )
    call = actions.add_parser("call", parents=[shared], help="call the lists of one night")
    call.add_argument(
        "--truth-dir", type=Path, help="also write who was called and how they respond"
    )
    return parser


def _deliver(options: argparse.Namespace) -> int:
    from scripts.simulate_operator.extracts import deliver

    parameters = Parameters(
        business_date=options.business_date,
        seed=options.seed,
        customer_count=options.customers,
        is_clean=options.clean,
    )
    for extract, rows in deliver(parameters, options.landing_dir, options.truth_dir).items():
        log.info("%-24s %9d true rows", extract, rows)
    log.info("extracts in %s, truth in %s", options.landing_dir, options.truth_dir)
    return 0


def _call(options: argparse.Namespace) -> int:
    from scripts.simulate_operator.dialer import call

    parameters = Parameters(business_date=options.business_date, seed=options.seed)
    call(parameters, options.landing_dir, options.truth_dir)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
