"""Build one stage of the dbt project for a business date, and judge what came of it.

    python -m scripts.run_dbt --stage transform --business-date 2026-11-20

One `dbt build` per stage, since a start of dbt costs seconds; the verdict comes from dbt's own
run_results.json. Stages are dbt tags: `transform` (seeds, staging, intermediate, risk warnings,
churn features) and `decide` (customer_360, decisions, planned list).
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from scripts import arguments, changed_history, loaded_seeds, warehouse
from scripts.warehouse import PROJECT_DIR, Role

DBT_PROJECT_DIR = PROJECT_DIR / "dbt_project"
STAGES = ("transform", "decide")
HISTORY_STAGE = "transform"  # builds the facts that keep events by day or month
THREADS = 4
TIMEOUT_SECONDS = 3600
# dbt hands what this prefix names to macros, and notes it in its artifacts, without parsing anew.
SETTINGS_VARIABLE = "DBT_ENV_CUSTOM_ENV_BUILD"
# dbt holds all of its nodes until it ends: to look for garbage among them costs a sixth of a start.
DBT = (sys.executable, "-P", "-c", "import gc; gc.disable(); from dbt.cli.main import cli; cli()")
FAILED_STATUSES = ("error", "fail", "runtime error")
MESSAGE_LIMIT = 600

log = logging.getLogger(__name__)


class DbtBuildFailed(RuntimeError):  # noqa: N818 (says what happened)
    """A model could not be built or a test failed; the message names each with its cause."""


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, seed or test."""

    name: str
    resource_type: str
    status: str
    seconds: float
    message: str


@dataclass(frozen=True)
class DbtResult:
    """What a run of dbt did: counts by kind of node and status, warnings, seconds."""

    seconds: float
    nodes: tuple[NodeResult, ...] = field(repr=False)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of nodes by resource type (model, seed, test, unit_test) and status."""
        kinds = sorted({node.resource_type for node in self.nodes})
        return {
            kind: dict(Counter(node.status for node in self.nodes if node.resource_type == kind))
            for kind in kinds
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Tests that found something worth a look which does not stop the night."""
        return tuple(f"{n.name}: {n.message}" for n in self.nodes if n.status == "warn")


def build(
    stage: str,
    business_date: date,
    extra_settings: dict[str, Any] | None = None,
    *,
    select: str | None = None,
    target_dir: Path | None = None,
) -> DbtResult:
    """Build and test all nodes of a stage for `business_date`; repeating it changes nothing.

    Seeds that stand as their files are (scripts/loaded_seeds.py) are left out with their tests.

    Args:
        stage: A dbt tag, one of `STAGES`.
        business_date: Handed to dbt as the setting `business_date` (macros/build_setting.sql).
        extra_settings: Further settings, such as `observation_dates` (a list of ISO dates).
        select: Names of models to build instead of the whole stage, with all of the stage that
            they rest on (which must see the same settings).
        target_dir: Where dbt keeps its artifacts, by default DBT_TARGET_PATH or var/dbt/target.
            Builds that run at the same time need one each.

    Raises:
        DbtBuildFailed: A model or a test failed.
    """
    settings = {"business_date": business_date.isoformat(), **(extra_settings or {})}
    selection = _selection(stage, select)
    seeds = loaded_seeds.fingerprints()
    standing = [f"resource_type:seed,{name}" for name in loaded_seeds.unchanged(seeds)]
    if stage == HISTORY_STAGE:
        loads = changed_history.newest_loads()
        changed = changed_history.begin_build(business_date)
        settings["changed_from"] = {name: day.isoformat() for name, day in changed.items()}
    # buildable leaves out tests that look at a model of a later stage, which may not exist yet.
    result = run(
        [
            "build",
            *("--select", selection),
            *(("--exclude", " ".join(standing)) if standing else ()),
            *("--exclude-resource-type", "unit_test"),
            *("--indirect-selection", "buildable"),
        ],
        settings,
        target_dir,
    )
    loaded_seeds.note(seeds, [n.name for n in result.nodes if n.resource_type == "seed"])
    if stage == HISTORY_STAGE and select is None:
        changed_history.finish_build(business_date, loads)
    return result


def run_unit_tests(business_date: date, target_dir: Path | None = None) -> DbtResult:
    """Run all unit tests of the project on a migrated database without data.

    Unit tests take the types of their rows from the tables and the rules from the seeds, so these
    are built first, the tables empty: never do this to a warehouse in use.
    """
    settings = {"business_date": business_date.isoformat()}
    build_empty = ["build", "--empty", "--resource-type", "seed", "--resource-type", "model"]
    run(build_empty, settings, target_dir)
    return run(["test", "--select", "test_type:unit"], settings, target_dir)


def run(
    command: Sequence[str], settings: dict[str, Any], target_dir: Path | None = None
) -> DbtResult:
    """Run one dbt command as the transformer and return its result; raise if a node failed."""
    target = target_dir or _default_target_dir()
    target.mkdir(parents=True, exist_ok=True)
    results_file = target / "run_results.json"
    results_file.unlink(missing_ok=True)  # never judge the run before
    started = time.monotonic()
    finished = subprocess.run(
        [*DBT, *command, *_options(target)],
        env=_environment(settings),
        cwd=DBT_PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    seconds = round(time.monotonic() - started, 1)
    if not results_file.exists():
        raise DbtBuildFailed(f"dbt {command[0]} did not start: {_tail(finished.stdout)}")
    result = DbtResult(seconds, tuple(_read_results(results_file)))
    _raise_if_failed(command[0], finished.returncode, result)
    log.info("dbt %s: %s in %.1f s", " ".join(command[:3]), result.counts, seconds)
    for warning in result.warnings:
        log.warning("%s", warning)
    return result


def read_manifest(target_dir: Path | None = None) -> dict[str, Any]:
    """Return dbt's manifest of all nodes and their lineage, as the last build has written it."""
    file = (target_dir or _default_target_dir()) / "manifest.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _selection(stage: str, select: str | None) -> str:
    if stage not in STAGES:
        raise ValueError(f"there is no stage {stage}; there are: {', '.join(STAGES)}")
    if select is None:
        return f"tag:{stage}"
    return " ".join(f"+{name},tag:{stage}" for name in select.split())


def _options(target: Path) -> list[str]:
    """Return the options of every dbt command."""
    options = ["--target-path", str(target), "--no-use-colors"]
    options += ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    options += ["--log-path", str(target.parent / "logs"), "--quiet"]
    return options


def _environment(settings: dict[str, Any]) -> dict[str, str]:
    """Return the environment of dbt: the connection as transformer, settings, and no telemetry."""
    url = make_url(warehouse.url(Role.TRANSFORMER))
    role = str(url.query.get("options", "")).removeprefix("-c role=")
    connection = {
        "DBT_HOST": url.host or str(url.query.get("host", "localhost")),
        "DBT_PORT": str(url.port or url.query.get("port", 5432)),
        "DBT_USER": url.username or Role.TRANSFORMER.value,
        "DBT_ENV_SECRET_PASSWORD": url.password or "",
        "DBT_DATABASE": url.database or warehouse.WAREHOUSE_DATABASE,
        "DBT_ROLE": role,
        "DBT_SSLMODE": str(url.query.get("sslmode", "prefer")),
        "DBT_SSLROOTCERT": str(url.query.get("sslrootcert", "")),
        "DBT_THREADS": str(THREADS),
    }
    telemetry = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
    custom = {SETTINGS_VARIABLE: json.dumps(settings), "PYTHONUTF8": "1"}
    return {**os.environ, **connection, **telemetry, **custom}


def _default_target_dir() -> Path:
    return Path(os.environ.get("DBT_TARGET_PATH") or PROJECT_DIR / "var" / "dbt" / "target")


def _read_results(file: Path) -> Iterable[NodeResult]:
    for item in json.loads(file.read_text(encoding="utf-8"))["results"]:
        resource_type, _, name = item["unique_id"].split(".", 2)
        yield NodeResult(
            name=name,
            resource_type=resource_type,
            status=item["status"],
            seconds=round(item["execution_time"], 2),
            message=_without_rows(item["message"] or ""),
        )


def _without_rows(message: str) -> str:
    """Shorten a database error to its first lines: DETAIL quotes rows, which may be personal."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("DETAIL", "CONTEXT", "compiled code"))]
    return " ".join(kept)[:MESSAGE_LIMIT]


def _raise_if_failed(command: str, return_code: int, result: DbtResult) -> None:
    failed = [node for node in result.nodes if node.status in FAILED_STATUSES]
    if failed:
        skipped = sum(node.status == "skipped" for node in result.nodes)
        causes = "; ".join(f"{node.resource_type} {node.name}: {node.message}" for node in failed)
        raise DbtBuildFailed(
            f"dbt {command}: {len(failed)} of {len(result.nodes)} nodes failed"
            f" ({skipped} more skipped): {causes}"
        )
    if return_code != 0:
        raise DbtBuildFailed(f"dbt {command} ended with status {return_code}")
    if not result.nodes:
        raise DbtBuildFailed(f"dbt {command} found nothing to do")


def _tail(output: str) -> str:
    return _without_rows(output[-MESSAGE_LIMIT * 2 :])


def main() -> int:
    parser = arguments.step_parser(__doc__)
    parser.add_argument("--stage", choices=STAGES, required=True)
    options = parser.parse_args()
    try:
        result = build(options.stage, options.business_date)
    except DbtBuildFailed as failure:
        log.error("%s", failure)
        return 1
    slowest = sorted(result.nodes, key=lambda node: node.seconds, reverse=True)[:5]
    log.info("slowest: %s", ", ".join(f"{node.name} {node.seconds} s" for node in slowest))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
