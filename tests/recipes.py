"""The recipes of docs/recipes.md: each a question and its SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MAY_BE_EMPTY = "<!-- may be empty -->"
BLOCK = re.compile(r"^```sql\n(?P<sql>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A question, the SQL that answers it, and whether no row is an answer too."""

    question: str
    sql: str
    may_be_empty: bool


def read_recipes(path: Path) -> list[Recipe]:
    """Return the recipes of a page in its order: each third-level heading and its block.

    Raises:
        ValueError: A heading without exactly one SQL block, or a block without a heading.
    """
    before, *sections = re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if BLOCK.search(before):
        raise ValueError(f"{path}: SQL before the first question")
    return [_recipe(path, section) for section in sections]


def _recipe(path: Path, section: str) -> Recipe:
    question, _, body = section.partition("\n")
    blocks = list(BLOCK.finditer(body))
    if len(blocks) != 1 or body.count("```") != 2:
        raise ValueError(f"{path}: one SQL block expected under {question!r}")
    prose = body[: blocks[0].start()]
    return Recipe(
        question=question.strip(),
        sql=blocks[0]["sql"].strip(),
        may_be_empty=prose.rstrip().endswith(MAY_BE_EMPTY),
    )
