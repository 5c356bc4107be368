"""Which seeds a warehouse already holds as their files are: these need not be loaded again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from scripts.database import connect
from scripts.warehouse import SEED_DIR, Role


def unchanged(fingerprint_by_name: dict[str, str]) -> list[str]:
    """Return the seeds whose table is there and was loaded and tested from such files."""
    with connect(Role.TRANSFORMER) as connection:
        rows = connection.execute(
            "select seed_name, fingerprint from ops.seed_state"
            " where to_regclass('marts.' || quote_ident(seed_name)) is not null"
        ).fetchall()
    loaded = {row["seed_name"]: row["fingerprint"] for row in rows}
    return sorted(
        name for name, fingerprint in fingerprint_by_name.items() if loaded.get(name) == fingerprint
    )


def fingerprints() -> dict[str, str]:
    """Return by seed the SHA-256 of its CSV and of the yml beside it."""
    return {
        file.stem: hashlib.sha256(
            file.read_bytes() + file.with_suffix(".yml").read_bytes()
        ).hexdigest()
        for file in SEED_DIR.glob("*.csv")
    }


def note(fingerprint_by_name: dict[str, str], names: Collection[str]) -> None:
    """Note that a build has loaded these seeds from files with these fingerprints."""
    with connect(Role.TRANSFORMER) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.seed_state values (%s, %s) on conflict (seed_name)"
            " do update set fingerprint = excluded.fingerprint, loaded_at = now()",
            [(name, fingerprint_by_name[name]) for name in names],
        )
