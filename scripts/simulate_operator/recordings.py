"""The dialer's index of recordings: one for every call in which somebody spoke (OUT-15)."""

from __future__ import annotations

import pandas as pd

BYTES_PER_SECOND = 16_000  # mono, 8 kHz, 16 bit
HEADER_BYTES = 44


def recordings(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of dialer.recording for the calls of `dialer.outcomes`."""
    spoken = outcomes[outcomes["talk_seconds"] > 0].reset_index(drop=True)
    called_at = spoken["called_at"]
    return pd.DataFrame(
        {
            "recording_id": "REC-" + spoken["call_id"],
            "call_id": spoken["call_id"],
            "call_task_id": spoken["call_task_id"],
            "agent_id": spoken["agent_id"],
            "started_at": called_at,
            "duration_seconds": spoken["talk_seconds"],
            "recording_path": called_at.dt.strftime("%Y/%m/%d/") + spoken["call_id"] + ".wav",
            "file_bytes": HEADER_BYTES + BYTES_PER_SECOND * spoken["talk_seconds"],
        }
    )
