"""Command line arguments that every step shares."""

from __future__ import annotations

import argparse
import logging
import os
from datetime import date
from pathlib import Path

from scripts.warehouse import PROJECT_DIR


def step_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with --business-date, and set up logging for a step run by hand."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument(
        "--business-date",
        type=date.fromisoformat,
        required=True,
        metavar="YYYY-MM-DD",
        help="the day that is processed, data up to its midnight in Asia/Shanghai",
    )
    return parser


def add_landing_dir(parser: argparse.ArgumentParser) -> None:
    """Add --landing-dir, by default LANDING_DIR or the project's landing folder."""
    parser.add_argument("--landing-dir", type=Path, default=landing_dir())


def landing_dir() -> Path:
    """Return the folder in which deliveries arrive."""
    return Path(os.environ.get("LANDING_DIR") or PROJECT_DIR / "landing").resolve()
