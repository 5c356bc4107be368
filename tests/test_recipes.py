"""The page of recipes: what can be told without a database. The simulated operator of
tests/dbt_project/test_customer_view.py runs every one of them.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.recipes import MAY_BE_EMPTY, Recipe, read_recipes

RELATION = re.compile(r"\b(?:from|join)\s+(?:lateral\s+)?([a-z_]\w*(?:\.\w+)?)(\s*\()?")
COMMON_TABLE = re.compile(r"^(?:with )?(\w+) as (?:materialized )?\($", re.MULTILINE)
COMMENT = re.compile(r"--.*")


@pytest.fixture(scope="module")
def page(project_dir: Path) -> Path:
    return project_dir / "docs" / "recipes.md"


@pytest.fixture(scope="module")
def recipes(page: Path) -> list[Recipe]:
    return read_recipes(page)


def _relations(query: str) -> set[str]:
    """Return what a query reads, but for its own common tables and functions."""
    own = set(COMMON_TABLE.findall(query))
    found = {name for name, call in RELATION.findall(COMMENT.sub("", query)) if not call}
    return found - own


def test_there_are_enough_and_each_block_is_one_of_them(page: Path, recipes: list[Recipe]) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(recipes) >= 20
    assert text.count("```sql") == len(recipes)
    assert text.count(MAY_BE_EMPTY) == sum(recipe.may_be_empty for recipe in recipes)
    assert sum(recipe.may_be_empty for recipe in recipes) <= len(recipes) / 3


def test_no_question_is_asked_twice(recipes: list[Recipe]) -> None:
    asked = Counter(recipe.question for recipe in recipes)
    assert [question for question, count in asked.items() if count > 1] == []
    queries = Counter(recipe.sql for recipe in recipes)
    assert [query for query, count in queries.items() if count > 1] == []


def test_each_is_a_question_with_the_operators_term(recipes: list[Recipe]) -> None:
    assert [recipe.question for recipe in recipes if not recipe.question.endswith("?")] == []
    named = [recipe for recipe in recipes if re.search(r"[\u4e00-\u9fff]", recipe.question)]
    assert len(named) >= 20


def test_only_marts_are_read(recipes: list[Recipe]) -> None:
    read = {recipe.question: _relations(recipe.sql) for recipe in recipes}
    assert all(read.values())
    elsewhere = {
        question: [name for name in names if not name.startswith("marts.")]
        for question, names in read.items()
    }
    assert {question: names for question, names in elsewhere.items() if names} == {}
    for recipe in recipes:
        schemas = set(re.findall(r"\b(raw|staging|intermediate|dialer|ops|ml)\.\w", recipe.sql))
        assert schemas == set(), recipe.question


def test_a_query_only_reads_and_runs_on_any_night(recipes: list[Recipe]) -> None:
    for recipe in recipes:
        assert recipe.sql.startswith("with "), recipe.question
        code = COMMENT.sub("", recipe.sql)
        assert code == code.lower(), recipe.question
        assert not re.search(r"\b(insert|update|delete|drop|create)\b", code)
        assert not re.search(r"'\d{4}-\d\d|current_date|now\(\)", recipe.sql), recipe.question
        assert ";" not in recipe.sql, recipe.question
        assert max(map(len, recipe.sql.splitlines())) <= 100, recipe.question


def test_a_heading_without_a_block_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n### Who?\n\nNobody.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Who"):
        read_recipes(page)


def test_a_marker_holds_for_the_block_right_after_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    block = "```sql\nselect 1\n```\n"
    page.write_text(
        f"### One?\n\n{MAY_BE_EMPTY}\n{block}\n### Two?\n\nText.\n\n{block}", encoding="utf-8"
    )
    assert read_recipes(page) == [
        Recipe("One?", "select 1", True),
        Recipe("Two?", "select 1", False),
    ]
