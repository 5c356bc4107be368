"""What a correct warehouse knows of each customer at the end of the business date.

Counted from the simulated rows while they are delivered and from what happened, apart from every
SQL rule, seed and contract of the warehouse. Of events only those count that are delivered: with
`history_days` nothing before the first day is known, so a month or three of it may be short. States
(subscriptions, balances, points, devices) come whole with the first delivery. Broken, doubled, late
and corrected rows change nothing. Use, stays and services count whether or not the line still
lives; what is held or owed counts on living lines alone.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.simulate_operator.customer_records import DEVICES, PHONES
from scripts.simulate_operator.event_rows import taken, texts
from scripts.simulate_operator.rendering import SLICE_ROWS, join_lines, text_of
from scripts.simulate_operator.timeline import (
    DAY,
    Array,
    days,
    deliveries,
    end_of,
    midnight,
    months_before,
)
from scripts.simulate_operator.watching import ALWAYS, Look

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

CONTACT_MONTHS = 3
ROAMING_MONTHS = 2
USE_DAYS = 30
CATEGORIES = ("fee", "network", "service")
PACKAGE, TONE = "data_package", "ring_back_tone"
NEVER = np.datetime64("NaT", "s")


class CustomerTruth:
    """Adds up what is delivered of each customer; arrays have one entry per customer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._day = world.parameters.business_date
        self._end = end_of(self._day)
        self._count = len(world.population.customers)
        self._usage = world.sources["mobile_usage"]
        mobile_count = len(self._usage.lines)
        self._use = {
            name: np.zeros(mobile_count, dtype="int64" if name.endswith("kb") else "int32")
            for name in ("month_kb", "kb", "minutes", "messages")
        }
        self._complaints = np.zeros((self._count, len(CATEGORIES)), dtype="int32")
        self._bill_queries = np.zeros(self._count, dtype="int32")
        self._last_complaint = np.full(self._count, ALWAYS)
        self._stays = np.zeros(self._count, dtype="int32")
        self._roaming_cents = np.zeros(self._count, dtype="int32")
        self._charged_month = ALWAYS
        self._services = _Services(self._count)
        self._points = np.zeros(self._count, dtype="int32")
        self._points_changed = np.full(self._count, ALWAYS)
        month_start = midnight(self._day.replace(day=1))
        use_start = self._end - np.timedelta64(USE_DAYS, "D")
        self._contacts_start = months_before(self._end, CONTACT_MONTHS)
        self._roaming_start = months_before(self._end, ROAMING_MONTHS)
        self.looks = {
            "contact_center.interaction": Look(self.see_contacts, ALWAYS),
            "usage.roaming": Look(self.see_stays, self._roaming_start),
            "usage.mobile_daily": Look(self.see_use, min(month_start, use_start)),
            "usage.value_added_monthly": Look(self.see_services, ALWAYS),
            "crm.loyalty_points": Look(self.see_points, ALWAYS),
        }

    def see_contacts(self, interactions: pa.Table) -> None:
        """Count complaints by category and bill queries; the last complaint may be older."""
        customer = interactions["customer"].to_numpy()
        moment = interactions["contacted_at"].to_numpy().astype("datetime64[s]")
        kind = interactions["interaction_kind"].cast(pa.string())
        is_known = moment < self._end
        is_recent = is_known & (moment >= self._contacts_start)
        is_complaint = pc.equal(kind, "complaint").to_numpy()
        is_query = pc.equal(kind, "bill_query").to_numpy()
        category = interactions["complaint_category"].cast(pa.string())
        for number, name in enumerate(CATEGORIES):
            is_meant = pc.fill_null(pc.equal(category, name), False).to_numpy()
            np.add.at(self._complaints[:, number], customer[is_complaint & is_meant & is_recent], 1)
        np.add.at(self._bill_queries, customer[is_query & is_recent], 1)
        counted = is_complaint & is_known
        np.maximum.at(self._last_complaint, customer[counted], moment[counted])

    def see_stays(self, stays: pa.Table) -> None:
        """Count the stays that began in the window, and what they cost."""
        begun = stays["started_at"].to_numpy().astype("datetime64[s]")
        is_recent = (begun >= self._roaming_start) & (begun < self._end)
        customer = self._usage.customer[stays["mobile"].to_numpy()[is_recent]]
        np.add.at(self._stays, customer, 1)
        cents = np.rint(stays["roaming_fee_amount"].to_numpy()[is_recent] * 100)
        np.add.at(self._roaming_cents, customer, cents.astype("int32"))

    def see_use(self, use: pa.Table) -> None:
        """Add up one day's use, in which every mobile line has a row at most."""
        if len(use) == 0:
            return
        day = use["usage_date"][0].as_py()
        mobile = use["mobile"].to_numpy()
        kilobytes = use["cmnet_kb"].to_numpy() + use["cmwap_kb"].to_numpy()
        if self._day.replace(day=1) <= day <= self._day:
            self._use["month_kb"][mobile] += kilobytes
        if self._day - timedelta(days=USE_DAYS) < day <= self._day:
            self._use["kb"][mobile] += kilobytes
            minutes = use["outgoing_minutes"].to_numpy() + use["incoming_minutes"].to_numpy()
            self._use["minutes"][mobile] += minutes
            self._use["messages"][mobile] += use["sms_count"].to_numpy()

    def see_services(self, services: pa.Table) -> None:
        """Remember the charges of the latest month; a block holds one month."""
        if len(services) == 0:
            return
        month = np.datetime64(services["usage_month"][0].as_py(), "s")
        if month > self._charged_month:
            self._charged_month = month
            self._services = _Services(self._count)
        if month == self._charged_month:
            mobile = services["mobile"].to_numpy()
            lives = _lives(self._world, self._end)[self._usage.lines[mobile]]
            self._services.add(services, self._usage.customer[mobile], lives, self._end)

    def see_points(self, points: pa.Table) -> None:
        """Keep the latest balance of each customer; a block has a customer once at most."""
        customer = points["customer"].to_numpy()
        changed = points["changed_at"].to_numpy().astype("datetime64[s]")
        is_later = (changed < self._end) & (changed > self._points_changed[customer])
        self._points_changed[customer[is_later]] = changed[is_later]
        balance = points["points_balance_count"].to_numpy()
        self._points[customer[is_later]] = balance[is_later]

    def table(self) -> pa.Table:
        """Return one row per customer known at the end of the business date."""
        population = self._world.population
        lives = _lives(self._world, self._end)
        holder = population.subscriptions["customer"].to_numpy()
        columns: dict[str, Any] = {
            "customer_id": texts(population.customers["customer_id"]),
            "active_subscription_count": np.bincount(holder, lives, minlength=self._count).astype(
                "int64"
            ),
            "complaint_count_3m": self._complaints.sum(axis=1),
        }
        for number, name in enumerate(CATEGORIES):
            columns[f"{name}_complaint_count_3m"] = self._complaints[:, number]
        columns |= {
            "last_complaint_date": _dates(self._last_complaint),
            "bill_query_count_3m": self._bill_queries,
            "roaming_count_2m": self._stays,
            "roaming_fee_amount_2m": self._roaming_cents / 100,
            "data_mb_month": self._of_customers("month_kb", 1024),
            "data_mb_30d": self._of_customers("kb", 1024),
            "voice_minutes_30d": self._of_customers("minutes").astype("int64"),
            "sms_count_30d": self._of_customers("messages").astype("int64"),
            **self._services.columns(),
            "invoice_amount": self._latest_invoices(),
            "overdue_amount": self._overdue(lives),
            "points_balance_count": pa.array(self._points, mask=self._points_changed == ALWAYS),
            "device_model": self._devices(lives),
        }
        is_known = population.customers["joined_at"].to_numpy() < self._end
        return pa.table(columns).filter(pa.array(is_known))

    def write(self, path: Path) -> None:
        """Write the table as CSV, some rows at a time."""
        table = self.table()
        with path.open("wb") as file:
            file.write((",".join(table.column_names) + "\n").encode())
            for first in range(0, len(table), SLICE_ROWS):
                part = table.slice(first, SLICE_ROWS).combine_chunks()
                file.write(text_of(join_lines(part, ",")))

    def _of_customers(self, name: str, unit: int = 1) -> Array:
        """Sum up the use of a customer's mobile lines to thousandths of the unit, half up."""
        total = np.bincount(self._usage.customer, self._use[name], minlength=self._count)
        return np.floor(total * 1000 / unit + 0.5) / 1000

    def _latest_invoices(self) -> pa.Array:
        """Return the bills of each customer's latest month that was delivered."""
        invoices = self._world.invoices
        issued = invoices["issued_at"].to_numpy()
        first = deliveries(self._day, self._world.parameters.history_days)[0]
        is_known = (issued < self._end) & (first.carries_past | (issued >= first.start))
        known = np.flatnonzero(is_known)
        billed = invoices["billing_month"].cat
        months = billed.categories.to_numpy().astype("datetime64[M]").astype("int64")
        month = months[billed.codes.to_numpy()[known]]
        account = invoices["account"].to_numpy()[known]
        customer = self._world.population.accounts["customer"].to_numpy()[account]
        latest = np.full(self._count, -1)
        np.maximum.at(latest, customer, month)
        is_latest = month == latest[customer]
        amount = invoices["invoice_amount"].to_numpy()[known]
        total = np.bincount(customer[is_latest], amount[is_latest], minlength=self._count)
        return pa.array(np.round(total, 2), mask=latest < 0)

    def _overdue(self, lives: Array) -> Array:
        """Return what is unpaid past its due date on accounts with a living subscription."""
        population, invoices = self._world.population, self._world.invoices
        payments = self._world.payments
        invoice = payments["invoice"].to_numpy()
        is_counted = (invoice >= 0) & (payments["paid_at"].to_numpy() < self._end)
        is_open = np.ones(len(invoices), dtype=bool)
        is_open[invoice[is_counted]] = False
        due = invoices["due_date"].cat
        is_due = due.categories.to_numpy().astype("datetime64[s]") + days(1) <= self._end
        is_open &= is_due[due.codes.to_numpy()]
        account = invoices["account"].to_numpy()[is_open]
        is_live = np.zeros(len(population.accounts), dtype=bool)
        is_live[population.subscriptions["account"].to_numpy()[lives]] = True
        amount = invoices["invoice_amount"].to_numpy()[is_open] * is_live[account]
        customer = population.accounts["customer"].to_numpy()[account]
        return np.round(np.bincount(customer, amount, minlength=self._count), 2)

    def _devices(self, lives: Array) -> pa.Array:
        """Return the telephone in use that was first seen last, on a living mobile line."""
        devices = self._world.sources["customer_records"].devices
        line = devices["line"].to_numpy()
        first_seen = devices["first_seen_at"].to_numpy()
        in_use = (first_seen < self._end) & ~(devices["replaced_at"].to_numpy() < self._end)
        in_use &= lives[line] & (devices["model"].to_numpy() < len(PHONES))
        rows = np.flatnonzero(in_use)
        number = line[rows] * 10 + devices["number"].to_numpy()[rows]
        order = rows[np.lexsort((number, first_seen[rows]))]
        customer = self._world.population.subscriptions["customer"].to_numpy()[line[order]]
        model = np.full(self._count, -1)
        model[customer] = devices["model"].to_numpy()[order]  # of several the last stays
        return taken(pa.array([name for _, name in DEVICES]), model)


class _Services:
    """What a month's value-added services come to per customer."""

    def __init__(self, count: int) -> None:
        self.allowance_kb = np.zeros(count, dtype="int32")
        self.used_kb = np.zeros(count, dtype="int32")
        self.package_cents = np.zeros(count, dtype="int32")
        self.other_cents = np.zeros(count, dtype="int32")
        self.has_tone = np.zeros(count, dtype=bool)

    def add(self, services: pa.Table, customer: Array, lives: Array, end: np.datetime64) -> None:
        kind = services["service_kind"].cast(pa.string())
        is_package = pc.equal(kind, PACKAGE).to_numpy()
        stops = services["unsubscribed_at"].to_numpy().astype("datetime64[s]")
        is_held = lives & ~(stops < end)
        fee = services["function_fee_amount"].to_numpy()
        fee = fee + services["information_fee_amount"].to_numpy()
        cents = np.rint(fee * 100).astype("int32")
        np.add.at(self.package_cents, customer, cents * is_package)
        np.add.at(self.other_cents, customer, cents * ~is_package)
        self.has_tone[customer[pc.equal(kind, TONE).to_numpy() & is_held]] = True
        counted = is_package & is_held
        for total, name in ((self.allowance_kb, "allowance_kb"), (self.used_kb, "used_kb")):
            kilobytes = services[name].to_numpy()[counted].astype("int32")
            np.add.at(total, customer[counted], kilobytes)

    def columns(self) -> dict[str, Any]:
        """Return the columns; the fee of data packages stands beside that of all else."""
        has_package = self.allowance_kb > 0
        ratio = np.round(self.used_kb / np.where(has_package, self.allowance_kb, 1), 4)
        return {
            "data_used_ratio": pa.array(ratio, mask=~has_package),
            "has_ring_back_tone": self.has_tone,
            "data_package_fee_amount": self.package_cents / 100,
            "value_added_fee_amount": self.other_cents / 100,
        }


def _lives(world: World, end: np.datetime64) -> Array:
    subscriptions = world.population.subscriptions
    return np.asarray(
        (subscriptions["activated_at"].to_numpy() < end)
        & ~(subscriptions["terminated_at"].to_numpy() < end)
    )


def _dates(moments: Array) -> pa.Array:
    day = moments.astype("datetime64[s]").astype("int64") // DAY
    is_missing = moments == ALWAYS
    return pa.array(np.where(is_missing, 0, day).astype("int32"), mask=is_missing).cast(pa.date32())
