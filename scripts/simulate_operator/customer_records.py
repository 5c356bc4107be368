"""What the CRM keeps about customers beside themselves: contracts, devices, lists, consents, links.

Three quarters of those who leave come back as new customers (KEEP-03): the later customer is the
same person, with the same name and identity number, and the CRM has linked most of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator import hoppers
from scripts.simulate_operator.event_rows import (
    FAR,
    chosen,
    coded,
    identifiers,
    since_epoch,
    taken,
    texts,
)
from scripts.simulate_operator.population import Population
from scripts.simulate_operator.timeline import (
    DAY,
    Array,
    Delivery,
    days,
    end_of,
    history_start,
    seconds,
)

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "customer_records"
NEVER = np.datetime64("NaT", "s")
BLOCK_ROWS = 250_000
CONTRACT_KINDS = ("minimum_term", "device_subsidy", "prepaid_discount")
CONTRACT_STATES = ("active", "renewed", "ended", "terminated_early")
TERM_DAYS = (364, 729, 1094)
PHONES = (
    ("東辰", "DC-5|Pro"),
    ("東辰", "DC-3"),
    ("云帆", "YF-10"),
    ("山海", "SH-X2"),
    ("简机", "J1"),
)
PHONE_SHARES = (0.2, 0.25, 0.25, 0.2, 0.1)
PHONE_GENERATIONS = ("5g", "4g", "5g", "4g", "2g")
MODEMS = (("云帆", "YF-G240"), ("云帆", "YF-G480"), ("远光", 'YG-"M1"'), ("远光", "YG-M3"))
MODEM_SHARES = (0.35, 0.25, 0.25, 0.15)
DEVICES = PHONES + MODEMS
PURPOSES = ("marketing_call", "marketing_sms", "profiling")
EVIDENCE = ("recording", "signed_form", "app_record", "sms_reply")
EVIDENCE_CHANNELS = np.array([2, 0, 3, 3])  # a recording comes from the hotline, and so on
CHANNELS = ("own_hall", "dealer", "hotline", "app")
CREDIT_DAY = 3  # of the month; the month's points are booked at six o'clock
LINK_KINDS = ("same_person", "family", "same_organisation", "payer")
LINK_EVIDENCE = ("identity_number", "phone_number", "same_address", "same_payer", "declared")
LISTS = (
    ("colour", "gold", "政企关键人"),
    ("colour", "red", "党政军（東区）"),
    ("colour", "grey", "服务敏感|多次越级"),
    ("colour", "green", "客户经理上报风险"),
    ("red_black", "red", "重要客户"),
    ("red_black", "black", "恶意欠费"),
)


@dataclass(frozen=True)
class Figures:
    """How customers deal with the CRM; without a source the figure is a plausible choice."""

    re_entry_share: float = 0.75  # KEEP-03: a quarter of the off-net is true loss
    mean_re_entry_days: float = 35.0
    linked_share: float = 0.7  # of re-entries that the CRM has noticed; identity shows the rest
    phone_years: float = 2.2
    modem_years: float = 4.5
    consent_shares: tuple[float, float, float] = (0.72, 0.65, 0.45)  # per purpose
    withdrawn_share: float = 0.08
    consent_days: int = 730  # P-08: a consent expires
    regulator_share: float = 0.003  # numbers blocked at the regulator, of customers
    family_share: float = 0.08
    organisation_link_share: float = 0.3
    payer_share: float = 0.15  # of families
    redeeming_share: float = 0.3
    list_shares: tuple[float, ...] = (0.4, 0.003, 0.004, 0.001, 0.5, 0.3)  # see _memberships


FIGURES = Figures()


@dataclass(frozen=True)
class CustomerRecords:
    """The records as frames whose times are datetimes; rows that are not yet known stay hidden.

    `re_entries`: later and earlier customer (rows) that are the same person.
    """

    contracts: pd.DataFrame
    devices: pd.DataFrame
    consents: pd.DataFrame
    blocks: pd.DataFrame
    memberships: pd.DataFrame
    links: pd.DataFrame
    re_entries: pd.DataFrame
    redeemed_at: Array  # per customer
    monthly_points: Array  # per customer: a point per yuan of rent
    subscription_ids: pa.Array
    customer_ids: pa.Array


def simulate(world: World) -> CustomerRecords:
    """Draw the records; the persons who re-enter get their earlier name and identity back."""
    population = world.population
    re_entries = _re_entries(world)
    _become_same_person(population, re_entries)
    random = world.parameters.random("loyalty")
    end = end_of(world.parameters.business_date)
    count = len(population.customers)
    redeemed = end - days(random.uniform(0, 400, count))
    rent = np.nan_to_num(population.rent_at(end))
    holder = population.subscriptions["customer"].to_numpy()
    redeems = random.random(count) < FIGURES.redeeming_share
    return CustomerRecords(
        contracts=_contracts(world),
        devices=_devices(world),
        consents=_consents(world),
        blocks=_blocks(world),
        memberships=_memberships(world),
        links=_links(world, re_entries),
        re_entries=re_entries,
        redeemed_at=np.where(redeems, redeemed, NEVER),
        monthly_points=np.bincount(holder, rent, minlength=count),
        subscription_ids=texts(population.subscriptions["subscription_id"]),
        customer_ids=texts(population.customers["customer_id"]),
    )


def contracts(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    for due, is_changed in changed_rows(records.contracts, "signed_at", "closed_at", delivery):
        line, number = due["line"].to_numpy(), due["number"].to_numpy()
        state = np.where(is_changed, due["final_state"].to_numpy(), 0)
        changed = np.where(is_changed, due["closed_at"].to_numpy(), due["signed_at"].to_numpy())
        identifier = identifiers("H", line * 10 + number, 11)
        previous = pc.if_else(
            pa.array(number > 1),
            identifiers("H", line * 10 + number - 1, 11),
            pa.scalar(None, "string"),
        )
        yield pa.table(
            {
                "contract_id": identifier,
                "subscription_id": taken(records.subscription_ids, line),
                "customer_id": taken(records.customer_ids, _holder(world, line)),
                "contract_kind": coded(CONTRACT_KINDS, due["kind"].to_numpy()),
                "contract_state": coded(CONTRACT_STATES, state),
                "signed_at": _times(due["signed_at"]),
                "start_date": _dates(due["start_date"]),
                "end_date": _dates(due["end_date"]),
                "previous_contract_id": previous,
                "monthly_commitment_amount": pa.array(due["commitment"].to_numpy()),
                "subsidy_amount": pa.array(due["subsidy"].to_numpy()),
                "early_termination_amount": pa.array(due["penalty"].to_numpy()),
                "changed_at": pa.array(changed),
            }
        )


def devices(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    for due, is_changed in changed_rows(records.devices, "first_seen_at", "replaced_at", delivery):
        line, model = due["line"].to_numpy(), due["model"].to_numpy()
        is_phone = model < len(PHONES)
        number = line * 10 + due["number"].to_numpy()
        features = {
            name: pa.array(~np.isin(model, without), mask=~is_phone)
            for name, without in (
                ("has_gprs", ()), ("has_wap", ()), ("has_java", (4,)), ("has_mms", (4,)),
            )
        }  # fmt: skip
        changed = np.where(
            is_changed, due["replaced_at"].to_numpy(), due["first_seen_at"].to_numpy()
        )
        yield pa.table(
            {
                "device_id": identifiers("D", number, 11),
                "subscription_id": taken(records.subscription_ids, line),
                "customer_id": taken(records.customer_ids, _holder(world, line)),
                "device_serial": identifiers("161", number * 7 % 10**12, 12),
                "device_kind": coded(("mobile_phone", "modem"), ~is_phone * 1),
                "brand_name": coded([brand for brand, _ in DEVICES], model),
                "model_name": coded([name for _, name in DEVICES], model),
                "is_smart": pa.array(~np.isin(model, (4, 5))),
                **features,
                "network_generation": coded(PHONE_GENERATIONS, np.where(is_phone, model, -1)),
                "is_operator_supplied": pa.array(due["is_supplied"].to_numpy()),
                "first_seen_at": _times(due["first_seen_at"]),
                "device_state": coded(("in_use", "replaced"), is_changed * 1),
                "changed_at": pa.array(changed),
            }
        )


def consents(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    for due, is_changed in changed_rows(records.consents, "given_at", "withdrawn_at", delivery):
        customer, evidence = due["customer"].to_numpy(), due["evidence"].to_numpy()
        purpose = due["purpose"].to_numpy()
        given, withdrawn = due["given_at"].to_numpy(), due["withdrawn_at"].to_numpy()
        channel = np.where(is_changed, 2, EVIDENCE_CHANNELS[evidence])
        proof = coded(("RC", "BD", "AP", "SM"), evidence).cast(pa.string())
        digits = identifiers("", (customer + 1) * 10 + purpose, 12)
        yield pa.table(
            {
                "consent_id": identifiers("G", (customer + 1) * 100 + purpose + 1, 11),
                "customer_id": taken(records.customer_ids, customer),
                "consent_purpose": coded(PURPOSES, purpose),
                "consent_state": coded(("given", "withdrawn"), is_changed * 1),
                "given_at": pa.array(given),
                "withdrawn_at": pa.array(np.where(is_changed, withdrawn, NEVER)),
                "expiry_date": pa.array(
                    (given + days(FIGURES.consent_days)).astype("datetime64[D]")
                ),
                "evidence_kind": coded(EVIDENCE, evidence),
                "evidence_reference": pc.binary_join_element_wise(proof, digits, ""),
                "channel_code": coded(CHANNELS, channel),
                "changed_at": pa.array(np.where(is_changed, withdrawn, given)),
            }
        )


def do_not_call(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    known = records.blocks[records.blocks["registered_at"].to_numpy() < delivery.end]
    yield pa.table(
        {
            "phone_number": texts(known["phone_number"]),
            "block_scope": coded(("all", "marketing"), known["scope"].to_numpy()),
            "customer_id": taken(records.customer_ids, known["customer"].to_numpy()),
            "block_source": coded(("customer", "regulator"), known["source"].to_numpy()),
            "registered_at": _times(known["registered_at"]),
            "expiry_date": pa.nulls(len(known), pa.date32()),
        }
    )


def list_memberships(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    known = records.memberships[records.memberships["entered_at"].to_numpy() < delivery.end]
    number = known["list"].to_numpy()
    schemes, codes, reasons = zip(*LISTS, strict=True)
    yield pa.table(
        {
            "membership_id": identifiers("M", known.index.to_numpy() + 1, 8),
            "customer_id": taken(records.customer_ids, known["customer"].to_numpy()),
            "list_scheme": coded(schemes, number),
            "list_code": coded(codes, number),
            "valid_from": _dates(known["valid_from"]),
            "valid_to": _dates(known["valid_to"]),
            "membership_reason": coded(reasons, number),
            "entered_by_staff_id": identifiers("KH", known["staff"].to_numpy(), 3),
            "entered_at": _times(known["entered_at"]),
        }
    )


def customer_links(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    records: CustomerRecords = world.sources[NAME]
    known = records.links[records.links["linked_at"].to_numpy() < delivery.end]
    ends = known["unlinked_at"].to_numpy()
    yield pa.table(
        {
            "customer_id": taken(records.customer_ids, known["customer"].to_numpy()),
            "linked_customer_id": taken(records.customer_ids, known["other"].to_numpy()),
            "link_kind": coded(LINK_KINDS, known["kind"].to_numpy()),
            "linked_at": _times(known["linked_at"]),
            "unlinked_at": pa.array(np.where(ends < delivery.end, ends, NEVER)),
            "evidence_kind": coded(LINK_EVIDENCE, known["evidence"].to_numpy()),
            "match_probability": pa.array(known["probability"].to_numpy()),
        }
    )


def loyalty_points(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield whose points were booked (monthly) or redeemed, with the balance at the end.

    `customer`, a row of the customers, comes beside the columns of the extract.
    """
    records: CustomerRecords = world.sources[NAME]
    population = world.population
    month = (delivery.end - seconds(DAY)).astype("datetime64[M]")
    credit = month.astype("datetime64[s]") + days(CREDIT_DAY - 1) + seconds(6 * 3600)
    if credit >= delivery.end:
        month = month - 1
        credit = month.astype("datetime64[s]") + days(CREDIT_DAY - 1) + seconds(6 * 3600)
    joined = population.customers["joined_at"].to_numpy()
    ended = _ends(population)
    redeemed_at = records.redeemed_at
    is_redeemed = (redeemed_at < delivery.end) & (redeemed_at < ended) & (redeemed_at > joined)
    is_credited = (joined < credit) & ~(ended < credit)
    is_due = is_credited & delivery.has_changes(np.asarray(credit))
    is_due |= is_redeemed & delivery.has_changes(redeemed_at)
    everybody = np.flatnonzero(is_due & (joined < delivery.end))
    for first in range(0, len(everybody), BLOCK_ROWS):
        rows = everybody[first : first + BLOCK_ROWS]
        last = np.minimum(ended[rows], credit).astype("datetime64[M]")
        monthly = records.monthly_points[rows]
        earned = _points(monthly, joined[rows], last)
        at_redemption = np.where(is_redeemed, redeemed_at, joined)[rows].astype("datetime64[M]")
        redeemed = (_points(monthly, joined[rows], at_redemption) * 6 // 10).clip(0, earned)
        changed = np.where(is_credited, credit, joined)[rows]
        changed = np.where(is_redeemed[rows], np.fmax(changed, redeemed_at[rows]), changed)
        balance = earned - redeemed
        yield pa.table(
            {
                "customer_id": taken(records.customer_ids, rows),
                "points_balance_count": pa.array(balance),
                "points_earned_count": pa.array(earned),
                "points_redeemed_count": pa.array(redeemed),
                "points_expiring_count": pa.array(balance // 5),
                "last_redeemed_at": pa.array(np.where(is_redeemed, redeemed_at, NEVER)[rows]),
                "changed_at": pa.array(changed),
                "customer": rows,
            }
        )


def _points(monthly: Array, joined: Array, month: Array) -> Array:
    """Sum up the monthly points since the customer joined, for twenty years at most."""
    months = (month - joined.astype("datetime64[M]")).astype("int64").clip(0, 240)
    return np.asarray(np.floor(monthly * months).astype("int64"))


def changed_rows(
    frame: pd.DataFrame, created: str, changed: str, delivery: Delivery
) -> Iterator[tuple[pd.DataFrame, Array]]:
    """Yield blocks of the rows that are new or have changed, and which have changed by then."""
    is_known = frame[created].to_numpy() < delivery.end
    is_new = delivery.has_changes(frame[created].to_numpy())
    is_changed = delivery.has_changes(frame[changed].to_numpy())
    rows = np.flatnonzero(is_known & (is_new | is_changed))
    for first in range(0, len(rows), BLOCK_ROWS):
        due = frame.iloc[rows[first : first + BLOCK_ROWS]]
        yield due, np.asarray(due[changed].to_numpy() < delivery.end)


def _holder(world: World, line: Array) -> Array:
    return np.asarray(world.population.subscriptions["customer"].to_numpy()[line])


def _times(values: pd.Series) -> pa.Array:
    return pa.array(values.to_numpy().astype("datetime64[s]"))


def _dates(values: pd.Series) -> pa.Array:
    return pa.array(values.to_numpy().astype("datetime64[D]"))


def _midnights(moments: Array) -> Array:
    return np.asarray(moments.astype("datetime64[D]").astype("datetime64[s]"))


def _ends(population: Population) -> Array:
    """Return when each customer's last service ended; far in the future for who is there."""
    terminated = population.subscriptions["terminated_at"].to_numpy()
    ends = np.where(np.isnat(terminated), np.datetime64("2999-01-01", "s"), terminated)
    ended = np.zeros(len(population.customers), dtype="datetime64[s]")
    np.maximum.at(ended, population.subscriptions["customer"].to_numpy(), ends)
    return ended


def _re_entries(world: World) -> pd.DataFrame:
    """Match those who come back to the next new customer of the same place, first come first.

    The hoppers, who come last, are matched already; the records of each follow one another.
    """
    random = world.parameters.random("re_entries")
    count = world.hoppers.first_customer
    customers = world.population.customers.iloc[:count]
    ended = since_epoch(np.where(_has_ended(world), _ends(world.population), NEVER))[:count]
    returns = random.random(count) < FIGURES.re_entry_share
    wait = (1 + random.exponential(FIGURES.mean_re_entry_days, count)) * DAY
    place = customers["place"].to_numpy().astype("int64")
    span = np.int64(1) << 40
    leavers = np.flatnonzero((ended < FAR) & returns)
    wanted = place[leavers] * span + (ended[leavers] + wait[leavers]).astype("int64")
    leavers, wanted = leavers[np.argsort(wanted, kind="stable")], np.sort(wanted)
    arrivals = place * span + since_epoch(customers["joined_at"].to_numpy())
    order = np.argsort(arrivals, kind="stable")
    first = np.searchsorted(arrivals[order], wanted)
    rank = np.arange(len(wanted))
    position = np.maximum.accumulate(first - rank) + rank if len(wanted) else first
    inside = position < count
    later, earlier = order[position[inside]], leavers[inside]
    matches = place[later] == place[earlier]
    links = world.hoppers.links
    again = links[(links["kind"] == hoppers.SAME_PERSON_LINK) & links["is_next"]]
    return pd.DataFrame(
        {
            "later": np.r_[later[matches], again["customer"]],
            "earlier": np.r_[earlier[matches], again["other"]],
        }
    )


def _has_ended(world: World) -> Array:
    return np.asarray(_ends(world.population) < end_of(world.parameters.business_date))


def _become_same_person(population: Population, re_entries: pd.DataFrame) -> None:
    """Give who re-entered the name, birth date and identity number of the first record."""
    customers = population.customers
    root = np.arange(len(customers))
    root[re_entries["later"].to_numpy()] = re_entries["earlier"].to_numpy()
    while (root[root] != root).any():
        root = root[root]
    is_known = customers["identity_number"].notna().to_numpy()
    for column in ("customer_name", "gender", "birth_date"):
        customers[column] = customers[column].to_numpy()[root]
    identity = customers["identity_number"].to_numpy(dtype=object)[root]
    customers["identity_number"] = pd.Series(identity).where(is_known, None)


def _contracts(world: World) -> pd.DataFrame:
    """Return the contract of each bound subscription and the one that renews it."""
    random = world.parameters.random("contracts")
    subscriptions = world.population.subscriptions
    start = history_start(world.parameters.business_date)
    line = np.flatnonzero(subscriptions["contract_end"].notna().to_numpy())
    ends = subscriptions["contract_end"].to_numpy()[line]
    activated = subscriptions["activated_at"].to_numpy()[line]
    ended = subscriptions["terminated_at"].to_numpy()[line]
    renewed = subscriptions["contract_renewed_at"].to_numpy()[line] + seconds(11 * 3600)
    term = days(np.array(TERM_DAYS))[np.searchsorted(days(np.array(TERM_DAYS)), ends - start)
                                     .clip(0, len(TERM_DAYS) - 1)]  # fmt: skip
    begins = np.maximum(ends - term, _midnights(activated))
    signed = np.maximum(activated, begins + seconds(10 * 3600))
    leaves_early = ended < np.fmin(renewed, ends + days(1))
    is_renewed = ~np.isnat(renewed) & ~(ended <= renewed) & (renewed > signed)
    closed = np.where(leaves_early, ended, np.where(is_renewed, renewed, ends + days(1.05)))
    final = np.where(leaves_early, 3, np.where(is_renewed, 1, 2))
    first = pd.DataFrame(
        {"line": line, "number": 1, "signed_at": signed, "start_date": begins, "end_date": ends,
         "closed_at": closed, "final_state": final}
    )  # fmt: skip
    is_renewed &= ~leaves_early
    again = ends[is_renewed] + days(365)
    leaves_later = ended[is_renewed] < again + days(1)
    second = pd.DataFrame(
        {"line": line[is_renewed], "number": 2, "signed_at": renewed[is_renewed],
         "start_date": np.maximum(ends[is_renewed] + days(1), _midnights(renewed[is_renewed])),
         "end_date": again,
         "closed_at": np.where(leaves_later, ended[is_renewed], again + days(1.05)),
         "final_state": np.where(leaves_later, 3, 2)}
    )  # fmt: skip
    frame = pd.concat([first, second], ignore_index=True)
    rent = np.nan_to_num(world.population.rent_at(end_of(world.parameters.business_date)))
    commitment = rent[frame["line"]]
    kind = chosen(random, (0.55, 0.3, 0.15), len(frame))
    months = np.array([0.0, 5.0, 1.5])[kind]
    return frame.assign(
        kind=kind,
        commitment=commitment,
        subsidy=np.round(commitment * months, 2),
        penalty=np.round(commitment * (3 + months), 2),
    )


def _devices(world: World) -> pd.DataFrame:
    """Return each line's phone or modem, and the one it replaced."""
    random = world.parameters.random("devices")
    subscriptions = world.population.subscriptions
    product = subscriptions["product_type"].to_numpy(dtype=object)
    line = np.flatnonzero(product != "fixed_voice")
    is_phone = product[line] == "mobile"
    activated = subscriptions["activated_at"].to_numpy()[line]
    ended = subscriptions["terminated_at"].to_numpy()[line]
    years = np.where(is_phone, FIGURES.phone_years, FIGURES.modem_years)
    age = random.exponential(365 * years)
    replaced = end_of(world.parameters.business_date) - days(age)
    is_replaced = (replaced > activated + days(1)) & ~(ended <= replaced)
    phone = chosen(random, PHONE_SHARES, 2 * len(line))
    modem = len(PHONES) + chosen(random, MODEM_SHARES, 2 * len(line))
    model = np.where(np.r_[is_phone, is_phone], phone, modem)
    supplied = random.random(2 * len(line)) < np.where(np.r_[is_phone, is_phone], 0.2, 0.97)
    first = pd.DataFrame(
        {"line": line, "number": 1, "model": model[: len(line)], "first_seen_at": activated,
         "replaced_at": np.where(is_replaced, replaced, NEVER),
         "is_supplied": supplied[: len(line)]}
    )  # fmt: skip
    second = pd.DataFrame(
        {"line": line, "number": 2, "model": model[len(line) :], "first_seen_at": replaced,
         "replaced_at": NEVER, "is_supplied": supplied[len(line) :]}
    )[is_replaced]  # fmt: skip
    frame = pd.concat([first, second], ignore_index=True)
    return frame.astype({"replaced_at": "datetime64[s]"})


def _consents(world: World) -> pd.DataFrame:
    """Return who allowed what when, and who took it back (who refuses calls has)."""
    random = world.parameters.random("consents")
    customers = world.population.customers
    count = len(customers)
    joined = customers["joined_at"].to_numpy()
    refuses = customers["is_do_not_call"].to_numpy(dtype=bool)
    end = end_of(world.parameters.business_date)
    frames = []
    for purpose, share in enumerate(FIGURES.consent_shares):
        customer = np.flatnonzero(random.random(count) < share)
        given = np.maximum(joined[customer], end - days(random.uniform(0, 900, len(customer))))
        given = np.where(refuses[customer], joined[customer], given)
        later = given + days(random.uniform(0.1, 600, len(customer)))
        withdraws = random.random(len(customer)) < FIGURES.withdrawn_share
        if PURPOSES[purpose] == "marketing_call":
            later = np.where(refuses[customer], given + seconds(3600), later)
            withdraws |= refuses[customer]
        frames.append(
            pd.DataFrame(
                {
                    "customer": customer,
                    "purpose": purpose,
                    "given_at": given,
                    "withdrawn_at": np.where(withdraws, later, NEVER),
                    "evidence": chosen(random, (0.4, 0.25, 0.25, 0.1), len(customer)),
                }
            )
        )
    consents = pd.concat(frames, ignore_index=True)
    served = consents["given_at"].to_numpy() < _ends(world.population)[consents["customer"]]
    return consents[served].reset_index(drop=True)


def _blocks(world: World) -> pd.DataFrame:
    """Return the numbers of customers who refuse calls, and numbers the regulator has blocked."""
    random = world.parameters.random("blocks")
    customers = world.population.customers
    phones = customers["contact_phone"]
    refuses = customers["is_do_not_call"].to_numpy(dtype=bool) & phones.notna().to_numpy()
    asked = np.flatnonzero(refuses)
    draw = random.random(len(customers))
    barred = np.flatnonzero(
        ~customers["is_do_not_call"].to_numpy(dtype=bool)
        & phones.notna().to_numpy()
        & (draw < FIGURES.regulator_share)
    )
    joined = customers["joined_at"].to_numpy()
    rows = np.r_[asked, barred]
    own = pd.DataFrame(
        {
            "phone_number": phones.to_numpy(dtype=object)[rows],
            "customer": np.r_[asked, np.full(len(barred), -1)],  # the regulator knows numbers only
            "source": np.repeat([0, 1], [len(asked), len(barred)]),
            "scope": np.r_[(random.random(len(asked)) < 0.85) * 1, np.zeros(len(barred), "int64")],
            "registered_at": joined[rows] + seconds(3600),
        }
    )
    return own.drop_duplicates(["phone_number", "scope"], ignore_index=True)


def _memberships(world: World) -> pd.DataFrame:
    """Put organisations, important customers, the touchy and those who never paid on lists."""
    random = world.parameters.random("lists")
    customers = world.population.customers
    count = len(customers)
    end = end_of(world.parameters.business_date)
    ended = _ends(world.population)
    kind = np.full(count, "", dtype=object)
    kind[world.population.subscriptions["customer"].to_numpy()] = (
        world.population.subscriptions["termination_kind"].fillna("").to_numpy(dtype=object)
    )
    everybody = np.ones(count, dtype=bool)
    groups = (
        (customers["gender"] == "unknown").to_numpy(),
        everybody,
        (customers["service_sensitivity"] > 0).to_numpy(),
        everybody,
        (customers["star_level"] >= 7).to_numpy(),
        (kind == "passive") & (ended < end),
    )
    frames = []
    for number, (group, share) in enumerate(zip(groups, FIGURES.list_shares, strict=True)):
        customer = np.flatnonzero(group & (random.random(count) < share))
        is_black = LISTS[number][1] == "black"
        since = ended if is_black else customers["joined_at"].to_numpy()
        entered = since[customer] + days(random.uniform(5, 45, len(customer)))
        begins = _midnights(entered + days(1))
        frames.append(
            pd.DataFrame(
                {
                    "customer": customer,
                    "list": number,
                    "entered_at": entered,
                    "valid_from": begins,
                    "valid_to": begins + days(730) if is_black else NEVER,
                    "staff": random.integers(1, 41, len(customer)),
                }
            ).astype({"valid_to": "datetime64[s]"})
        )
    lists = pd.concat(frames, ignore_index=True)
    return lists.sort_values(["entered_at", "customer"], kind="stable", ignore_index=True)


def _links(world: World, re_entries: pd.DataFrame) -> pd.DataFrame:
    """Link the re-entered whom the CRM noticed, families of a place, and organisations.

    Of the hoppers it has noticed every one, and links each of their records to all before it.
    """
    random = world.parameters.random("links")
    known = world.hoppers.links
    customers = world.population.customers.iloc[: world.hoppers.first_customer]
    joined = world.population.customers["joined_at"].to_numpy()
    is_drawn = re_entries["later"].to_numpy() < world.hoppers.first_customer
    re_entries = re_entries[is_drawn]
    noticed = re_entries[random.random(len(re_entries)) < FIGURES.linked_share]
    later = noticed["later"].to_numpy()
    evidence = chosen(random, (0.7, 0.2, 0.1), len(noticed))
    same_person = pd.DataFrame(
        {
            "customer": later,
            "other": noticed["earlier"].to_numpy(),
            "kind": 0,
            "linked_at": joined[later] + days(random.uniform(0.1, 20, len(later))),
            "evidence": evidence,
            "probability": np.array([1.0, 0.9, 0.75])[evidence],
        }
    )
    is_organisation = (customers["gender"] == "unknown").to_numpy()
    draw = random.random(len(customers))
    families = _pairs(customers, ~is_organisation & (draw < FIGURES.family_share), random, 1, 2)
    companies = _pairs(
        customers, is_organisation & (draw < FIGURES.organisation_link_share), random, 2, 4
    )
    pays = random.random(len(families)) < FIGURES.payer_share
    payers = families[pays].assign(kind=3, evidence=3, probability=1.0)
    again = known["customer"].to_numpy()
    is_family = (known["kind"] == hoppers.FAMILY_LINK).to_numpy()
    hopped = pd.DataFrame(
        {
            "customer": again,
            "other": known["other"].to_numpy(),
            "kind": known["kind"].to_numpy(),
            "linked_at": joined[again] + days(random.uniform(0.1, 20, len(known))),
            "evidence": np.where(is_family, LINK_EVIDENCE.index("declared"), 0),
            "probability": 1.0,
        }
    )
    links = pd.concat([same_person, families, companies, payers, hopped], ignore_index=True)
    ends = random.random(len(links)) < 0.03
    until = links["linked_at"].to_numpy() + days(random.uniform(30, 400, len(links)))
    ends &= links["kind"].to_numpy() > 0
    ends[len(links) - len(hopped) :] = False
    return links.assign(unlinked_at=np.where(ends, until, NEVER))


def _pairs(
    customers: pd.DataFrame, is_chosen: Array, random: np.random.Generator, kind: int, evidence: int
) -> pd.DataFrame:
    """Pair the chosen customers of each place, two by two."""
    rows = np.flatnonzero(is_chosen)
    place = customers["place"].to_numpy()
    rows = rows[np.lexsort((random.random(len(rows)), place[rows]))]
    left, right = rows[: len(rows) // 2 * 2 : 2], rows[1 : len(rows) // 2 * 2 : 2]
    fits = place[left] == place[right]
    left, right = left[fits], right[fits]
    joined = customers["joined_at"].to_numpy()
    linked = np.maximum(joined[left], joined[right]) + days(random.uniform(0.1, 300, len(left)))
    return pd.DataFrame(
        {"customer": left, "other": right, "kind": kind, "linked_at": linked,
         "evidence": evidence, "probability": 0.9 if evidence == 2 else 1.0}
    )  # fmt: skip


EXTRACTS = {
    "crm.contract": contracts,
    "crm.device": devices,
    "crm.consent": consents,
    "crm.do_not_call": do_not_call,
    "crm.list_membership": list_memberships,
    "crm.customer_link": customer_links,
    "crm.loyalty_points": loyalty_points,
}
