"""Frequent travellers between Sichuan and Chongqing, served through three channels (BI-23).

Files are delivered as the channels write them and three nights are built on them: the ninth, when
travellers are found; the twelfth, after two logins to the web hall; and the month's end, after the
third contact, on the hotline, brought the order. Beside the traveller of the story there is a
customer on the other side of each limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from scripts.database import fetch_all
from scripts.export_tables import OFFERS, export
from scripts.load_extracts import due_loads, load_each
from tests.dbt_project.nights import build_as_the_night_does

FOUND, SWITCHED, MONTH_END = date(2026, 11, 9), date(2026, 11, 12), date(2026, 11, 30)
MODELS = ["+channel_offer", "+inbound_number", "+rpt_channel_response"]
CAMPAIGN = "special_topic_roaming"
# control_8 is drawn into the campaign's control group by its digest, the others into none.
TRAVELLERS = ("traveller", "once", "prompt", "refuses", "dislikes", "elsewhere", "control_8")
CUSTOMERS = (*TRAVELLERS, "homebody")
TRAVELS_FROM = date(2026, 9, 25)
OFFER_COLUMNS = (
    "offer_event_id,offer_code,offer_name,offer_class,customer_id,subscription_id,channel,"
    "wave_number,shown_at,response,responded_at,monthly_fee_amount"
)
ROAMING_COLUMNS = (
    "roaming_id,subscription_id,started_at,ended_at,roaming_kind,visited_province,visited_city,"
    "voice_minutes,sms_count,data_kb,roaming_fee_amount"
)


class Operator:
    """Writes what the operator's systems deliver, and builds nights on it."""

    def __init__(self, landing: Path, target_dir: Path) -> None:
        self.landing = landing
        self.target_dir = target_dir
        self.delivered_from = FOUND
        self.numbers: Iterator[int] = iter(range(10_000))

    def deliver(self, day: date, source: str, extract: str, header: str, rows: list[str]) -> None:
        folder = self.landing / source / extract / day.isoformat()
        folder.mkdir(parents=True)
        text = "".join(f"{row}\n" for row in (header, *rows))
        encoding = "gb18030" if source == "crm" else "utf-8"
        (folder / "a.csv").write_bytes(text.encode(encoding))

    def deliver_customers(self, day: date) -> None:
        """Everybody holds an old line; one has just added another, for which he is called."""
        lines = [(f"line_of_{name}", name, "2020-01-01") for name in CUSTOMERS]
        lines.append(("new_line", "elsewhere", "2026-11-07"))
        self.deliver(
            day,
            "crm",
            "plan",
            "plan_id|plan_name|product_type|monthly_rent_amount|bandwidth_mbps|valid_from|valid_to",
            ["M1|basic|mobile|59.00||2020-01-01|"],
        )
        self.deliver(
            day,
            "crm",
            "customer",
            "customer_id|contact_phone|region|is_do_not_call|registered_date",
            [f"{name}|{_phone(name)}|成都|false|2020-01-01" for name in CUSTOMERS],
        )
        self.deliver(
            day,
            "crm",
            "subscription",
            "subscription_id|customer_id|account_id|product_type|plan_id|activated_at",
            [f"{line}|{name}|{name}|mobile|M1|{since} 00:00:00" for line, name, since in lines],
        )
        self.deliver(
            day,
            "crm",
            "consent",
            "consent_id|customer_id|consent_purpose|consent_state|given_at|expiry_date|"
            "evidence_kind|evidence_reference|channel_code|changed_at",
            [
                f"G_{name}|{name}|marketing_call|given|2026-01-01 09:00:00|2028-01-01|recording|"
                f"RC1|hotline|2026-01-01 09:00:00"
                for name in CUSTOMERS
            ],
        )

    def stay(self, name: str, day: date, fee: str) -> str:
        return (
            f"R{next(self.numbers)},line_of_{name},{day} 09:00:00,{day} 21:00:00,domestic,重庆市,"
            f"渝北区,10,0,1024,{fee}"
        )

    def offer(
        self, name: str, at: str, channel: str, response: str, wave: int, kind: str = "roaming"
    ) -> str:
        code, offer_class = {
            "roaming": ("ROAM05", "roaming_package"),
            "plan": ("PLAN59", "plan"),
        }[kind]
        responded_at = "" if response == "none" else at
        return (
            f"O{next(self.numbers)},{code},{code},{offer_class},{name},line_of_{name},{channel},"
            f"{wave},{at},{response},{responded_at},5.00"
        )

    def build(self, night: date) -> None:
        """Load all that came since the last night, and build what the channels are told."""
        due = due_loads(self.delivered_from, night, self.landing)
        assert {load.status for load in load_each(due, self.landing)} == {"loaded"}
        self.delivered_from = night + timedelta(days=1)
        build_as_the_night_does(night, MODELS, self.target_dir, ("unit_test", "test"))


def _phone(name: str) -> str:
    return f"1610000{CUSTOMERS.index(name):04d}"


def _steps(night: date) -> dict[str, tuple[str, str | None, str | None, int]]:
    """Return by customer the next step, why not, the channel and the contacts so far."""
    rows = fetch_all(
        None,
        "select * from marts.fct_next_contact"
        " where business_date = %(night)s and campaign_code = %(campaign)s",
        night=night,
        campaign=CAMPAIGN,
    )
    return {
        row["customer_id"]: (
            row["next_step"],
            row["next_step_reason"],
            row["channel_code"],
            row["contact_count"],
        )
        for row in rows
    }


def _decided(night: date) -> dict[str, str | None]:
    rows = fetch_all(
        None,
        "select customer_id, drop_reason from marts.fct_retention_decision"
        " where business_date = %(night)s and campaign_code = %(campaign)s",
        night=night,
        campaign=CAMPAIGN,
    )
    return {row["customer_id"]: row["drop_reason"] for row in rows}


def _offered() -> set[tuple[str, str, str]]:
    rows = fetch_all(None, "select * from marts.channel_offer")
    return {(row["channel_code"], row["customer_id"], row["message_zh"]) for row in rows}


def _hint(url: str, name: str) -> dict[str, Any]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("set role retention_dialer")
        [hint] = connection.execute(
            "select * from dialer.inbound_hint(%s)", [_phone(name)]
        ).fetchall()
    return hint


def test_travellers_are_served_wave_by_wave(
    warehouse_db: str, tmp_path: Path, target_dir: Path
) -> None:
    operator = Operator(tmp_path / "landing", target_dir)
    _travellers_are_found(operator, warehouse_db)
    _after_two_logins_the_wave_switches(operator, warehouse_db)
    _who_ordered_is_told_what_it_saved(operator, tmp_path)


def _travellers_are_found(operator: Operator, url: str) -> None:
    """The ninth: the web hall comes first, but for who dislikes it or is called otherwise."""
    operator.deliver_customers(FOUND)
    operator.deliver(
        FOUND,
        "usage",
        "roaming",
        ROAMING_COLUMNS,
        [
            operator.stay(name, TRAVELS_FROM + timedelta(days=5 * number), "6.00")
            for name in TRAVELLERS
            for number in range(8)
        ]
        + [operator.stay("homebody", FOUND, "6.00")],
    )
    operator.deliver(
        FOUND,
        "channel",
        "offer",
        OFFER_COLUMNS,
        [
            operator.offer("dislikes", f"2026-11-0{day} 10:00:00", "web_hall", "refused", 1, "plan")
            for day in (2, 4, 6)
        ]
        # Twice is no dislike yet.
        + [
            operator.offer("once", f"2026-11-0{day} 10:00:00", "web_hall", "refused", 1, "plan")
            for day in (2, 4)
        ],
    )
    operator.build(FOUND)
    web = ("contact", None, "web_hall", 0)
    assert _steps(FOUND) == {
        "traveller": web,
        "once": web,
        "prompt": web,
        "refuses": web,
        "dislikes": ("contact", None, "hotline", 0),
        "elsewhere": ("rest", "one_wave", "web_hall", 0),
        "control_8": ("rest", "campaign_control", "web_hall", 0),
    }
    assert set(_decided(FOUND).values()) == {"other_wave"}, "no call before its wave"
    assert {(channel, name) for channel, name, _ in _offered()} == {
        *(("web_hall", name) for name in ("traveller", "once", "prompt", "refuses")),
        ("hotline", "dislikes"),
    }
    assert "川渝漫游包" in _hint(url, "dislikes")["campaign_offer_zh"]
    assert _hint(url, "traveller")["campaign_offer_zh"] is None


def _after_two_logins_the_wave_switches(operator: Operator, url: str) -> None:
    """The twelfth: who has seen it twice is asked on the hotline, who has seen it once is not."""
    tenth, twelfth = SWITCHED - timedelta(days=2), SWITCHED
    operator.deliver(
        tenth,
        "channel",
        "offer",
        OFFER_COLUMNS,
        [
            operator.offer(name, f"{tenth} 20:00:00", "web_hall", response, 1)
            for name, response in (
                ("traveller", "none"),
                ("once", "none"),
                ("prompt", "accepted"),
                ("refuses", "refused"),
            )
        ],
    )
    operator.deliver(
        twelfth,
        "channel",
        "offer",
        OFFER_COLUMNS,
        [operator.offer("traveller", f"{twelfth} 21:00:00", "web_hall", "none", 1)],
    )
    operator.build(SWITCHED)
    steps = {
        "traveller": ("switch_wave", None, "hotline", 2),
        "once": ("contact", None, "web_hall", 1),
        "prompt": ("ordered", "ordered", "web_hall", 1),
        "refuses": ("stop", "refused", "web_hall", 1),
        "dislikes": ("contact", None, "hotline", 0),
        "elsewhere": ("rest", "one_wave", "web_hall", 0),
        "control_8": ("rest", "campaign_control", "web_hall", 0),
    }
    assert _steps(SWITCHED) == steps
    hint = _hint(url, "traveller")
    assert ("川渝漫游包" in hint["campaign_offer_zh"], hint["campaign_contact_count"]) == (True, 2)
    [favourite] = fetch_all(
        None,
        "select customer_id, channel_code from marts.fct_channel_preference"
        " where valid_to is null and preference = 'favourite'",
    )
    assert favourite == {"customer_id": "prompt", "channel_code": "web_hall"}


def _who_ordered_is_told_what_it_saved(operator: Operator, tmp_path: Path) -> None:
    """The month's end: four stays at 1 yuan instead of 6, and 5 for the package: 15 saved."""
    ordered = date(2026, 11, 20)
    operator.deliver(
        ordered,
        "channel",
        "offer",
        OFFER_COLUMNS,
        [operator.offer("traveller", f"{ordered} 09:30:00", "hotline", "accepted", 2)],
    )
    operator.deliver(
        MONTH_END,
        "usage",
        "roaming",
        ROAMING_COLUMNS,
        [operator.stay("traveller", ordered + timedelta(days=day), "1.00") for day in (1, 4, 7, 10)]
        + [operator.stay("once", MONTH_END, "6.00")],
    )
    operator.build(MONTH_END)
    assert _steps(MONTH_END) == {
        "traveller": ("tell_result", None, "sms", 3),
        "once": ("contact", None, "web_hall", 1),
        "prompt": ("ordered", "ordered", "web_hall", 1),  # stayed at home since
        "refuses": ("stop", "refused", "web_hall", 1),
        "dislikes": ("contact", None, "hotline", 0),
        "elsewhere": ("contact", None, "web_hall", 0),
        "control_8": ("rest", "campaign_control", "web_hall", 0),
    }
    message = "您办理川渝漫游包后本月已节省漫游费15.00元"
    assert ("sms", "traveller", message) in _offered()
    written = export(OFFERS, MONTH_END, tmp_path / "export")
    assert written == {
        "channel_offer_hotline.csv": 1,
        "channel_offer_sms.csv": 1,
        "channel_offer_web_hall.csv": 2,
    }
    responses = fetch_all(
        None,
        "select channel_code, wave_number, contact_number, contact_count, accepted_count"
        " from marts.rpt_channel_response where proposal_code = 'roaming_package'"
        " order by 1, 2, 3",
    )
    assert [tuple(row.values()) for row in responses] == [
        ("hotline", 2, 1, 1, 1),
        ("web_hall", 1, 1, 4, 1),
        ("web_hall", 1, 2, 1, 0),
    ]
