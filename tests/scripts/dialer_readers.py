"""Files read as each dialer reads them: cut, stripped and misread where the dialer does so.

Written from what the loaders do, on purpose apart from the layouts: those are what is tested. Each
reader returns a lead per row, under the names of the dialer's own columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence

Lead = dict[str, str]

E164 = re.compile(r"\+[1-9][0-9]{6,14}")

# The columns of vicidial_list that files fill, and how many characters they hold.
VICIDIAL_WIDTHS = {
    "vendor_lead_code": 20, "source_id": 50, "list_id": 14, "phone_code": 10, "phone_number": 18,
    "title": 4, "first_name": 30, "middle_initial": 1, "last_name": 30, "address1": 100,
    "address2": 100, "address3": 100, "city": 50, "state": 2, "province": 50, "postal_code": 10,
    "country_code": 3, "gender": 1, "date_of_birth": 10, "alt_phone": 12, "email": 70,
    "security_phrase": 100, "comments": 255, "called_count": 5, "status": 6, "entry_date": 19,
    "rank": 6, "owner": 20,
}  # fmt: skip
LEAD = [*VICIDIAL_WIDTHS][:23]
CLI_POSITIONS = {
    "standard": [*LEAD, "called_count", "status", "entry_date"],
    "stdrankowner": [*LEAD, "called_count", "status", "entry_date", "rank", "owner"],
}
GOAUTODIAL_POSITIONS = [
    "phone_number", "vendor_lead_code", "phone_code", "title", "first_name", "middle_initial",
    "last_name", "address1", "address2", "address3", "city", "state", "province", "postal_code",
    "country_code", "gender", "date_of_birth", "alt_phone", "email", "security_phrase", "comments",
]  # fmt: skip
LEADS_PER_INSERT = 10


def read_vicidial_web(content: bytes) -> list[Lead]:
    """The list loader of the web administration, with its Standard Format."""
    pieces = [
        line[start : start + 4095]
        for line in content.split(b"\n")
        for start in range(0, max(len(line), 1), 4095)
    ]
    delimiter = b"\t" if pieces[0].count(b"\t") > pieces[0].count(b"|") else b"|"
    leads = []
    for piece in pieces:
        buffer = re.sub(rb"\\(.?)", rb"\1", piece.rstrip(b" \t\n\r\0\x0b"), flags=re.DOTALL)
        if not buffer:
            continue
        cells = buffer.replace(b'"', b"").split(delimiter)
        values = dict(zip([*LEAD, "rank", "owner"], cells, strict=False))
        for name in ("phone_code", "phone_number", "alt_phone"):
            values[name] = re.sub(rb"[^0-9]", b"", values[name])
        values["comments"] = values["comments"].strip()
        stripped = {name: re.sub(rb"['\"`\\;]", b"", value) for name, value in values.items()}
        assert 5 <= len(stripped["phone_number"]) <= 18
        leads.append(_in_vicidial_list(stripped))
    return leads


def read_vicidial_cli(content: bytes, file_format: str) -> list[Lead]:
    """VICIDIAL_IN_new_leads_file.pl: ten leads an insert, and a broken insert costs all ten."""
    leads: list[Lead] = []
    batch: list[dict[str, bytes]] = []
    is_batch_broken = False
    for line in content.split(b"\n")[: content.count(b"\n")]:
        text = re.sub(rb"[\r\n]", b"", line.replace(b"\t", b"|"))
        for commas in range(7, 0, -1):
            text = text.replace(b'"' + b"," * commas + b'"', b"|" * commas)
        cells = text.replace(b'"', b"").split(b"|")
        values = dict(zip(CLI_POSITIONS[file_format], cells, strict=False))
        for name in ("phone_code", "phone_number", "alt_phone"):
            values[name] = re.sub(rb"\D", b"", values[name])
        if len(values["phone_number"]) <= 6:
            continue
        values["called_count"] = re.sub(rb"\D", b"", values["called_count"]) or b"0"
        values["status"] = values["status"].replace(b" ", b"") or b"NEW"
        values["rank"] = values.get("rank") or b"0"
        # Values stand between double quotes: a backslash takes the next character for itself.
        is_batch_broken |= any(value.endswith(b"\\") for value in values.values())
        batch.append({name: re.sub(rb"\\(.)", rb"\1", value) for name, value in values.items()})
        if len(batch) == LEADS_PER_INSERT:
            leads += [] if is_batch_broken else map(_in_vicidial_list, batch)
            batch, is_batch_broken = [], False
    return leads + ([] if is_batch_broken else [_in_vicidial_list(lead) for lead in batch])


def read_goautodial(content: bytes) -> list[Lead]:
    """goUploadLeads: the header skipped, lines cut, names encoded once more."""
    leads = []
    for line in content.split(b"\n")[1 : content.count(b"\n")]:
        [cells] = csv.reader([line[:999].decode(errors="replace")])
        values = dict(zip(GOAUTODIAL_POSITIONS, cells, strict=True))
        stripped = {name: re.sub(r"['|\"`\\;]", "", value) for name, value in values.items()}
        for name in ("first_name", "middle_initial", "last_name"):
            stripped[name] = stripped[name].encode().decode("latin-1")
        leads.append(_in_vicidial_list({k: v.encode() for k, v in stripped.items()}))
    return leads


def read_genesys_cloud(content: bytes) -> list[Lead]:
    """A contact list import: at most 50 plainly named columns, unique ids, no blank row."""
    leads = _read_csv(content)
    names = list(leads[0])
    assert len(names) <= 50
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) for name in names)
    assert len({lead["ContactId"] for lead in leads}) == len(leads)
    assert all(E164.fullmatch(lead["Phone"]) for lead in leads)
    return leads


def read_amazon_connect(content: bytes) -> list[Lead]:
    """A customer segment import: below 1 GB, no dot in a header, attributes of 255 characters."""
    assert len(content) < 1_000_000_000
    leads = _read_csv(content)
    assert not any("." in name for name in leads[0])
    assert all(len(value) <= 255 for lead in leads for value in lead.values())
    assert all(E164.fullmatch(lead["PhoneNumber"]) for lead in leads)
    return leads


def _read_csv(content: bytes) -> list[Lead]:
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    header, *rows = list(reader)
    assert len(set(header)) == len(header)
    assert all(any(row) for row in rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _in_vicidial_list(values: dict[str, bytes]) -> Lead:
    """What the table keeps: characters of up to three bytes, each column up to its width."""
    lead = {}
    for name, value in values.items():
        text = value.decode("utf-8", errors="replace")
        kept = re.sub("[\U00010000-\U0010ffff]", "????", text)
        lead[name] = kept[: VICIDIAL_WIDTHS[name]]
    if not -32768 <= int(lead.get("rank") or 0) <= 32767:
        raise AssertionError("a rank beyond SMALLINT is stored as its bound")
    return lead


READERS: dict[str, Callable[[bytes], list[Lead]]] = {
    "vicidial_web_standard": read_vicidial_web,
    "vicidial_cli_standard": lambda content: read_vicidial_cli(content, "standard"),
    "vicidial_cli_stdrankowner": lambda content: read_vicidial_cli(content, "stdrankowner"),
    "goautodial": read_goautodial,
    "genesys_cloud": read_genesys_cloud,
    "amazon_connect": read_amazon_connect,
    "plain_csv": _read_csv,
}

# Where each dialer has what we tell it: task, number, name, region, hint, tag.
VICIDIAL_COLUMNS = (
    "vendor_lead_code", "phone_number", "first_name", "province", "comments", "security_phrase",
)  # fmt: skip
COLUMNS: dict[str, Sequence[str]] = {
    "vicidial_web_standard": VICIDIAL_COLUMNS,
    "vicidial_cli_standard": VICIDIAL_COLUMNS,
    "vicidial_cli_stdrankowner": VICIDIAL_COLUMNS,
    "goautodial": (
        "vendor_lead_code", "phone_number", "address1", "province", "comments", "security_phrase",
    ),
    "genesys_cloud": (
        "ContactId", "Phone", "CustomerName", "Province", "AgentHint", "RevisitTag",
    ),
    "amazon_connect": (
        "AccountNumber", "PhoneNumber", "FirstName", "Province", "AgentHint", "RevisitTag",
    ),
    "plain_csv": (
        "call_task_id", "phone_number", "customer_name", "region", "agent_hint", "revisit_tag",
    ),
}  # fmt: skip
