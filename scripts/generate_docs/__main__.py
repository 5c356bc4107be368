"""Write the data dictionary, what is to be delivered, what goes to dialers, and samples of all.

    python -m scripts.generate_docs            write docs/data-dictionary.md, extracts.md,
                                               call-list-files.md and samples/
    python -m scripts.generate_docs --check    status 1 when they are not what would be written

Reads files alone, no database: the yml of the models in marts and outbound, that of the seeds, the
contracts in `expectations/extracts/` and the layouts beside them. The same files give the same
bytes.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.contracts import read_contracts
from scripts.delivery_terms import CONTRACT_DIR
from scripts.export_call_list.layouts import read_layouts
from scripts.generate_docs import data_dictionary, extract_page, layout_page, samples
from scripts.warehouse import PROJECT_DIR

DOCS_DIR = PROJECT_DIR / "docs"

log = logging.getLogger(__name__)


def documents(contract_dir: Path = CONTRACT_DIR) -> dict[Path, bytes]:
    """Return the content of every generated file by its path below docs."""
    contracts = read_contracts(contract_dir)
    return {
        Path("data-dictionary.md"): data_dictionary.page().encode(),
        Path("extracts.md"): extract_page.page(contracts).encode(),
        **samples.files(contracts),
        Path("call-list-files.md"): layout_page.page(read_layouts().values()).encode(),
        **layout_page.sample_files(read_layouts().values()),
    }


def write(docs_dir: Path, contents: dict[Path, bytes]) -> None:
    """Write what differs, and remove the samples of extracts that are no more."""
    for path in _outdated(docs_dir, contents):
        file = docs_dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents[path])
        sys.stdout.write(f"{file}\n")
    for path in _stale(docs_dir, contents):
        (docs_dir / path).unlink()
        sys.stdout.write(f"{docs_dir / path} removed\n")


def is_current(docs_dir: Path, contents: dict[Path, bytes]) -> bool:
    """Whether the files are what would be written; names each one that is not."""
    outdated, stale = _outdated(docs_dir, contents), _stale(docs_dir, contents)
    for path in outdated:
        log.error("%s is out of date; run: python -m scripts.generate_docs", docs_dir / path)
    for path in stale:
        log.error("%s is of no extract; run: python -m scripts.generate_docs", docs_dir / path)
    return not outdated and not stale


def _outdated(docs_dir: Path, contents: dict[Path, bytes]) -> list[Path]:
    return [
        path
        for path, content in contents.items()
        if not (docs_dir / path).is_file() or (docs_dir / path).read_bytes() != content
    ]


def _stale(docs_dir: Path, contents: dict[Path, bytes]) -> list[Path]:
    found = sorted((docs_dir / samples.FOLDER).rglob("*.*"))
    return [path for file in found if (path := file.relative_to(docs_dir)) not in contents]


def main(arguments: Sequence[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        prog="python -m scripts.generate_docs", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--docs-dir", type=Path, default=DOCS_DIR)
    options = parser.parse_args(arguments)
    contents = documents()
    if options.check:
        return 0 if is_current(options.docs_dir, contents) else 1
    write(options.docs_dir, contents)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
