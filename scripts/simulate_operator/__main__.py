"""Simulate the operator's source systems and its dialer.

python -m scripts.simulate_operator deliver    write the extracts and the truth behind them
python -m scripts.simulate_operator correct    write right files over earlier days' faulty ones
python -m scripts.simulate_operator call       call the lists of one night, write the outcomes

The business date is the last one of the simulated history. `deliver --from D --to D` writes some
of its delivery dates only; the same dates have the same bytes however many are written at once.
"""

from __future__ import annotations

import argparse
import logging
from datetime import date
from pathlib import Path

from scripts import arguments as shared_arguments
from scripts.simulate_operator.parameters import DIRT_LEVELS, Parameters
from scripts.warehouse import PROJECT_DIR

log = logging.getLogger("simulate_operator")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    actions = {"deliver": _deliver, "correct": _correct, "call": _call}
    return actions[options.action](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.simulate_operator", description=(__doc__ or "").splitlines()[0]
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--business-date", type=date.fromisoformat, required=True)
    shared.add_argument("--seed", type=int, default=7)
    shared_arguments.add_landing_dir(shared)
    actions = parser.add_subparsers(dest="action", required=True)
    world = argparse.ArgumentParser(add_help=False, parents=[shared])
    world.add_argument("--customers", type=int, default=8000)
    world.add_argument("--truth-dir", type=Path, default=PROJECT_DIR / "var" / "truth")
    world.add_argument(
        "--history-days",
        type=int,
        help="so many daily deliveries, of the time before only the state; default: 180 days, the"
        " last seven daily",
    )
    world.add_argument(
        "--snapshot-every-days", type=int, default=1, help="deliver snapshots only every N days"
    )
    deliver = actions.add_parser("deliver", parents=[world], help="write extracts and truth")
    deliver.add_argument("--from", dest="first", type=date.fromisoformat, help="first date")
    deliver.add_argument("--to", dest="last", type=date.fromisoformat, help="last date")
    deliver.add_argument(
        "--dirt",
        choices=DIRT_LEVELS,
        default="rows",
        help="rows: broken, doubled and redelivered ones; full: faulty files and days as well",
    )
    actions.add_parser("correct", parents=[world], help="correct the faulty files of `full` dirt")
    call = actions.add_parser("call", parents=[shared], help="call the lists of one night")
    call.add_argument(
        "--truth-dir", type=Path, help="also write who was called and how they respond"
    )
    return parser


def _deliver(options: argparse.Namespace) -> int:
    from scripts.simulate_operator.delivering import deliver

    row_counts = deliver(
        _world(options, options.dirt),
        options.landing_dir,
        options.truth_dir,
        options.first,
        options.last,
    )
    for extract, rows in row_counts.items():
        log.info("%-28s %9d true rows", extract, rows)
    log.info("extracts in %s, truth in %s", options.landing_dir, options.truth_dir)
    return 0


def _correct(options: argparse.Namespace) -> int:
    from scripts.simulate_operator.delivering import correct

    for written in correct(_world(options, "full"), options.landing_dir, options.truth_dir):
        log.info("corrected %s of %s", written.extract, written.business_date)
    return 0


def _world(options: argparse.Namespace, dirt: str) -> Parameters:
    return Parameters(
        business_date=options.business_date,
        seed=options.seed,
        customer_count=options.customers,
        dirt=dirt,
        history_days=options.history_days,
        snapshot_every_days=options.snapshot_every_days,
    )


def _call(options: argparse.Namespace) -> int:
    from scripts.simulate_operator.dialer import call

    parameters = Parameters(business_date=options.business_date, seed=options.seed)
    call(parameters, options.landing_dir, options.truth_dir)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
