"""Write the files that a dialer imports: what it may call on the day after the business date.

The tasks are those of the state at the end of the business date: published, not closed, and due
before the end of the next day, so a night written again gives the same bytes. Withdrawn tasks are
never written. One folder per layout, with one file per revisit tag, one with the tasks that the
layout cannot carry and why, and a manifest. Layouts: docs/dialer-layouts.md.

    layouts     what a dialer's reader takes, from expectations/layouts/
    due_tasks   which tasks may be called
    lines       tasks become lines, or are rejected with a reason
    files       lines become files: whole, private, with a manifest
"""

from __future__ import annotations

from scripts.export_call_list.files import ExportFile, ExportResult, export, export_night

__all__ = ["ExportFile", "ExportResult", "export", "export_night"]
