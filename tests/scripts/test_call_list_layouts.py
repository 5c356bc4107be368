"""Layouts: what each dialer makes of the lines written for it, with no database in sight."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scripts.export_call_list.files import content
from scripts.export_call_list.layouts import find_layout, read_layouts
from scripts.export_call_list.lines import Task, render
from tests.scripts.dialer_readers import COLUMNS, READERS, VICIDIAL_WIDTHS, Lead

LAYOUTS = list(read_layouts())
VICIDIAL = [name for name in LAYOUTS if name.startswith("vicidial")]
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
# Names of the files' own columns, where they are not those of the dialer's table.
COLUMNS_IN_FILE = dict(COLUMNS) | {
    "goautodial": (
        "VendorLeadCode", "Phone", "Address1", "Province", "Comments", "SecurityPhrase",
    )
}  # fmt: skip
GIVEN = "小明伟芳娜敏静丽强磊军洋勇艳杰娟涛超秀霞平刚桂英华玉兰䶮㛃"


def task(number: int, **changes: object) -> Task:
    """Return a task as it is read for an export, by default one that fits every layout."""
    return {
        "call_task_id": number,
        "call_list_id": 12,
        "revisit_tag": "risk_soothing",
        "list_id": "2020030201",
        "phone_number": f"139{number:08d}",
        "customer_name": "王小明",
        "region": "成都市",
        "priority_rank": number,
        "attempt_count": 0,
        "agent_hint": "风险：一个月内重复障碍。",
        "agent_id": None,
    } | changes


def leads(layout: str, *tasks: Task) -> list[Lead]:
    """Return what the layout's dialer makes of the tasks that go out."""
    rendered = render(find_layout(layout), tasks)
    return READERS[layout](content(find_layout(layout), list(rendered.lines.values())))


def told(layout: str, lead: Lead) -> list[str]:
    """Return task, number, name, region, hint and tag of a lead."""
    return [lead[column] for column in COLUMNS[layout]]


def shown_task(layout: str, shown: Task) -> list[str]:
    """Return what the dialer must have of a task that it can hold as it is."""
    has_country = layout in ("genesys_cloud", "amazon_connect")
    number = f"+86{shown['phone_number']}" if has_country else shown["phone_number"]
    return [
        str(shown["call_task_id"]),
        number,
        shown["customer_name"],
        shown["region"],
        shown["agent_hint"],
        shown["revisit_tag"],
    ]


def test_every_layout_has_a_reader_and_no_other_has_one() -> None:
    assert set(LAYOUTS) == set(READERS) == set(COLUMNS)
    assert len(LAYOUTS) == 7


@pytest.mark.parametrize("layout", VICIDIAL)
def test_vicidials_widths_are_those_of_its_table(layout: str) -> None:
    widths = {field.name: field.max_length for field in find_layout(layout).fields}
    assert list(widths)[:23] == list(VICIDIAL_WIDTHS)[:23]
    for name, width in widths.items():
        assert width <= VICIDIAL_WIDTHS.get(name, 0), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thousands_of_tasks_arrive_unchanged(layout: str) -> None:
    chance = random.Random(7)
    count = 10_000 if layout.startswith("vicidial_cli") else 1_000
    tasks = [
        task(
            number,
            customer_name=chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=2)),
            agent_hint=f"{chance.choice(GIVEN)}, 100% of \u00a5{number}? :a @b $c #d [e] _f {{g}}",
        )
        for number in range(1, count + 1)
    ]
    arrived = leads(layout, *tasks)
    assert [told(layout, lead) for lead in arrived] == [shown_task(layout, each) for each in tasks]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_dialer_would_break_is_cleaned_before_it_goes_out(layout: str) -> None:
    nasty = task(
        1,
        customer_name="O'Neil|x\\",
        region="成\n都",
        agent_hint="a|b'c\"d`e\\f;g\r\nh\ti\u2028j\u0085k," + "长" * 1200,
    )
    longest = task(2, customer_name="名" * 30, region="区" * 50, agent_hint="长" * 1200)
    arrived = leads(layout, nasty, longest, *(task(number) for number in range(3, 14)))
    assert [told(layout, lead)[0] for lead in arrived] == [str(n) for n in range(1, 14)]
    first = render(find_layout(layout), [nasty])
    name, region, hint = told(layout, arrived[0])[2:5]
    assert region == "成 都"
    assert name.startswith("O")
    assert name.endswith(("x", "x\\"))
    assert hint.endswith("长")
    assert "\n" not in hint
    assert set(first.changed_counts) >= {COLUMNS_IN_FILE[layout][3], COLUMNS_IN_FILE[layout][4]}
    assert told(layout, arrived[1])[2:4] == ["名" * 30, "区" * 50]


@pytest.mark.parametrize("layout", [*VICIDIAL, "goautodial"])
def test_a_rare_character_gives_way_where_the_table_cannot_hold_it(layout: str) -> None:
    rare = task(1, customer_name="李\U00020bb7", agent_hint="\U0001f600好")
    [lead] = leads(layout, rare)
    assert told(layout, lead)[2] == "李〓"
    assert told(layout, lead)[4] == "〓好"
    assert told("plain_csv", leads("plain_csv", rare)[0])[2] == "李\U00020bb7"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_number_goes_out_once_and_only_if_it_is_a_mobile_number(layout: str) -> None:
    twin = task(9, phone_number=task(1)["phone_number"])
    landline = task(8, phone_number="02812345678")
    rendered = render(find_layout(layout), [task(1), twin, landline])
    assert list(rendered.lines) == [1]
    assert [(each.call_task_id, each.field) for each in rendered.rejections] == [
        (9, "phone_number"),
        (8, "phone_number"),
    ]


def test_rank_and_owner_reach_the_loaders_that_read_them() -> None:
    repeat = task(1, priority_rank=7, attempt_count=1, agent_id="A0231")
    for layout in ("vicidial_web_standard", "vicidial_cli_stdrankowner"):
        [lead] = leads(layout, repeat)
        assert (lead["rank"], lead["owner"]) == ("7", "A0231")
    for layout in ("vicidial_cli_standard", "vicidial_cli_stdrankowner"):
        [lead] = leads(layout, repeat)
        assert (lead["called_count"], lead["status"]) == ("1", "NEW")


def test_a_line_is_cut_where_the_dialer_would_cut_it() -> None:
    full = task(1, customer_name="名" * 30, region="区" * 50, agent_hint="长" * 255)
    rendered = render(find_layout("goautodial"), [full])
    assert len(rendered.lines[1].encode()) <= 998
    assert rendered.changed_counts["Comments"] == 1
    fits = task(1, customer_name="名" * 30, region="区" * 50, agent_hint="长" * 200)
    assert render(find_layout("goautodial"), [fits]).changed_counts["Comments"] == 0


def test_the_samples_are_what_their_dialers_read(project_dir: Path) -> None:
    folder = project_dir / "docs" / "samples" / "call_list"
    samples = sorted(folder.iterdir())
    assert {file.stem for file in samples} == set(LAYOUTS)
    for file in samples:
        first, repeat = (told(file.stem, lead) for lead in READERS[file.stem](file.read_bytes()))
        assert (first[0], repeat[0]) == ("4711", "4712")
        assert (first[2], first[3]) == ("王小明", "成都市")
        assert first[1].endswith("16100000001")
