"""Write the files that a dialer imports: what it may call on the day after the business date.

    python -m scripts.export_call_list --business-date 2026-11-20 [--layout plain_csv …]
        [--out-dir var/export] [--dry-run] [--open-only]

`--layout` may be given more than once; by default DIALER_LAYOUTS. `--open-only` leaves out what
has been called, claimed or closed since: for a file that is needed again during the day.
"""

from __future__ import annotations

from pathlib import Path

from scripts.arguments import step_parser
from scripts.export_call_list.files import export
from scripts.export_call_list.layouts import chosen_layouts, find_layout, read_layouts
from scripts.export_folder import export_dir


def main() -> int:
    parser = step_parser(__doc__)
    parser.add_argument("--layout", action="append", choices=list(read_layouts()))
    parser.add_argument("--out-dir", type=Path, default=export_dir())
    parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    parser.add_argument("--open-only", action="store_true", help="only what is still to be called")
    arguments = parser.parse_args()
    layouts = [find_layout(name) for name in arguments.layout or ()] or chosen_layouts()
    for layout in layouts:
        export(
            arguments.business_date,
            arguments.out_dir,
            layout,
            is_dry_run=arguments.dry_run,
            is_open_only=arguments.open_only,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
