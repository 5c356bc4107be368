"""Some clients of the dialer in one process: python -m tests.bench.claiming_client FIRST COUNT.

Each is a thread with a connection of its own that waits for the start and then claims until nothing
is left. Prints every claim as JSON: agent, seconds, tasks.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from scripts import warehouse
from scripts.warehouse import Role

START_LOCK = 20260432
TASKS_PER_CLAIM = 1

Claims = list[tuple[str, float, list[int]]]


def claim_until_empty(agent_number: int) -> Claims:
    """Return every claim of one agent, the last with nothing in it."""
    agent_id = f"A{agent_number:03d}"
    claims: Claims = []
    with psycopg.connect(warehouse.url(Role.DIALER), autocommit=True) as connection:
        # Agents work on connections that stand: the first claim of one plans what the others reuse.
        connection.execute("select from dialer.claim_tasks(%s, 0)", [agent_id])
        connection.execute("select pg_advisory_lock_shared(%s)", [START_LOCK])
        while not claims or claims[-1][2]:
            started = time.perf_counter()
            rows = connection.execute(
                "select call_task_id from dialer.claim_tasks(%s, %s)",
                [agent_id, TASKS_PER_CLAIM],
            ).fetchall()
            claims.append((agent_id, time.perf_counter() - started, [row[0] for row in rows]))
    return claims


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    with ThreadPoolExecutor(count) as threads:
        by_agent = list(threads.map(claim_until_empty, range(first, first + count)))
    sys.stdout.write(json.dumps([claim for claims in by_agent for claim in claims]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
