"""Service orders: installations, moves, migrations and upgrades, and what held them up.

An installation comes with its completion, when the CRM knows the subscription; all other orders
come when they are accepted and with every change. Exact cases on both sides of each limit are
planted; `planted_cases` lists them and `expected_warnings` says what must be warned of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.simulate_operator.event_rows import (
    chosen,
    coded,
    identifiers,
    optional,
    since_epoch,
    taken,
    texts,
)
from scripts.simulate_operator.network import STAFF_COUNT
from scripts.simulate_operator.organisation import DEALERS_PER_PLACE, ONLINE_COUNT, PLACES
from scripts.simulate_operator.timeline import DAY, Array, Delivery, days, end_of, seconds

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

NAME = "orders"  # after organisation and mobile_usage
NEVER = np.datetime64("NaT", "s")
HOUR = np.timedelta64(3600, "s")
SECOND = np.timedelta64(1, "s")
A_DAY = np.timedelta64(DAY, "s")

# Limits of the rules. The documents name the rules but only the 15 days of RISK-05.
PROVISIONING_DELAY_LIMIT_MINUTES = 3 * 24 * 60  # RISK-03: more than this by the operator's fault
NO_RESOURCE_LIMIT_HOURS = 24  # RISK-04: more than this from report to answer
NEW_INSTALL_FAULT_DAYS = 15  # RISK-05: reported at most this long after the completion
IN_SALE_WINDOW_DAYS = 30  # a warning stands for orders completed, or raised, or faults in these

KINDS = ("install", "move", "migrate", "upgrade")
INSTALL, MOVE, MIGRATE, UPGRADE = range(len(KINDS))
STATES = ("acknowledged", "inProgress", "pending", "held", "completed", "cancelled", "rejected")
ACKNOWLEDGED, IN_PROGRESS, PENDING, HELD, COMPLETED, CANCELLED, REJECTED = range(len(STATES))
CAUSES = ("staff_shortage", "line_construction", "system", "no_resource", "customer")
NO_RESOURCE, CUSTOMER = 3, 4
NOTES = (
    "装维人员不足",
    "管道施工\n需协调物业",
    "系统|数据未同步",
    "東侧光交箱无空闲端口",
    "用户改约",
)
DEALER_SHARES = (0.45, 0.20, 0.15, 0.15, 0.05)  # of sales, the last online
TIME_COLUMNS = ["accepted_at", "scheduled_at", "raised_at", "answered_at", "booked_at", "final_at"]


@dataclass(frozen=True)
class Figures:
    """How orders go; without a source the figure is a plausible choice."""

    history_days: int = 400
    install_days: float = 2.2  # median of a fixed line
    delayed_share: float = 0.08  # of fixed installations and moves, by the operator's fault
    delay_days: float = 1.3  # median of such a delay
    no_resource_share: float = 0.04
    answer_hours: float = 8.0  # median
    customer_delay_share: float = 0.05
    monthly_move_share: float = 0.004
    monthly_upgrade_share: float = 0.006
    monthly_migration_share: float = 0.015  # of copper lines
    open_migration_share: float = 0.3  # of migrations, still without an end
    discarding_agents_share: float = 0.75  # KEEP-05: of discarded cards, sold by a few agents


FIGURES = Figures()


@dataclass(frozen=True)
class Orders:
    """All orders by time of acceptance; times after a delivery stay hidden."""

    orders: pd.DataFrame
    cases: pd.DataFrame  # line, rule_code, case_name, is_raised
    dealer: Array  # per subscription, a row of the dealers
    subscription_ids: pa.Array
    customer_ids: pa.Array


def simulate(world: World) -> Orders:
    """Draw what was ordered and how it went, and plant the exact cases."""
    subscriptions = world.population.subscriptions
    random = world.parameters.random("orders")
    planted, cases = _planted(world)
    drawn = pd.concat([_installations(world, random), _changes(world, random)], ignore_index=True)
    exact = cases.loc[~cases["rule_code"].eq("new_install_fault"), "line"]
    drawn = drawn[~drawn["line"].isin(exact)]
    orders = pd.concat([drawn, planted], ignore_index=True)
    for column in [*TIME_COLUMNS, "known_at"]:
        orders[column] = orders[column].astype("datetime64[s]")
    orders = orders.sort_values(["accepted_at", "line"], kind="stable", ignore_index=True)
    count = len(orders)
    late_days = orders["delay_minutes"].to_numpy() / 1440
    orders["urge_count"] = random.poisson(np.minimum(late_days / 2 + 0.1, 6))
    orders["staff"] = random.integers(1, STAFF_COUNT + 1, count)
    return Orders(
        orders,
        cases,
        _sellers(world),
        texts(subscriptions["subscription_id"]),
        texts(subscriptions["customer_id"]),
    )


def service_orders(world: World, delivery: Delivery) -> Iterator[pa.Table]:
    """Yield the orders that are new or have changed, in the state at the end of that date."""
    source: Orders = world.sources[NAME]
    orders, end = source.orders, delivery.end
    changes = [orders[column].to_numpy() for column in ("known_at", *TIME_COLUMNS)]
    changes[2] = orders["accepted_at"].to_numpy() + 4 * HOUR  # the appointment itself is no change
    is_changed = np.logical_or.reduce([delivery.has_changes(times) for times in changes])
    rows = np.flatnonzero((orders["known_at"].to_numpy() < end) & is_changed)
    due = orders.iloc[rows]
    known = [np.where(times[rows] < end, times[rows], NEVER) for times in changes]
    changed = np.fmax.reduce(known)
    line, kind = due["line"].to_numpy(), due["kind"].to_numpy()
    state = state_at(due, end)
    product = world.population.subscriptions["product_type"].iloc[line]
    is_visited = (product != "mobile").to_numpy() & (kind != UPGRADE) & (state != ACKNOWLEDGED)
    is_booked = due["booked_at"].to_numpy() < end
    has_cause = is_booked & (due["cause"].to_numpy() >= 0)
    cause = np.where(has_cause, due["cause"].to_numpy(), -1)
    dealers = world.sources["organisation"].dealers
    cost = dealers["activation_commission_amount"] + dealers["activation_subsidy_amount"]
    seller = source.dealer[line]
    urged = due["urge_count"].to_numpy()
    yield pa.table(
        {
            "order_id": identifiers("O", rows + 1, 10),
            "subscription_id": taken(source.subscription_ids, line),
            "customer_id": taken(source.customer_ids, line),
            "order_kind": coded(KINDS, kind),
            "product_type": texts(product),
            "order_state": coded(STATES, state),
            "accepted_at": pa.array(due["accepted_at"].to_numpy()),
            "scheduled_at": pa.array(due["scheduled_at"].to_numpy()),
            "completed_at": pa.array(
                np.where(state == COMPLETED, due["final_at"].to_numpy(), NEVER)
            ),
            "operator_delay_minutes": pa.array(np.where(is_booked, due["delay_minutes"], 0)),
            "delay_cause": coded(CAUSES, cause),
            "delay_note": coded(NOTES, cause),
            "no_resource_raised_at": pa.array(known[3]),
            "no_resource_answered_at": pa.array(known[4]),
            "urge_count": pa.array(np.where(is_booked, urged, urged // 2)),
            "installer_staff_id": taken(
                identifiers("ZW", np.arange(1, STAFF_COUNT + 1), 4),
                np.where(is_visited, due["staff"].to_numpy() - 1, -1),
            ),
            "dealer_id": taken(texts(dealers["dealer_id"]), seller),
            "activation_cost_amount": optional(cost.to_numpy()[seller], kind != INSTALL),
            "changed_at": pa.array(changed),
        }
    )


def state_at(orders: pd.DataFrame, end: np.datetime64) -> Array:
    """Return each order's state as known at `end`."""
    waits = (orders["raised_at"].to_numpy() < end) & ~(orders["answered_at"].to_numpy() < end)
    is_assigned = orders["accepted_at"].to_numpy() + 4 * HOUR < end
    state = np.where(is_assigned, IN_PROGRESS, ACKNOWLEDGED)
    state = np.where(is_assigned & (orders["cause"].to_numpy() == CUSTOMER), HELD, state)
    state = np.where(waits, PENDING, state)
    is_final = orders["final_at"].to_numpy() < end
    return np.asarray(np.where(is_final, orders["final_state"].to_numpy(), state))


def planted_cases(world: World) -> pd.DataFrame:
    """Return the planted lines: rule_code, subscription_id, case_name, is_raised."""
    cases: pd.DataFrame = world.sources[NAME].cases
    ids = world.population.subscriptions["subscription_id"].to_numpy()
    cases = cases.assign(subscription_id=ids[cases["line"]])
    return cases[["rule_code", "subscription_id", "case_name", "is_raised"]]


def expected_warnings(world: World) -> dict[str, Array]:
    """Return per in-sale rule which subscriptions must be warned of, active ones or not."""
    end = end_of(world.parameters.business_date)
    orders: pd.DataFrame = world.sources[NAME].orders
    known = orders[orders["known_at"].to_numpy() < end]
    state = state_at(known, end)
    window = end - IN_SALE_WINDOW_DAYS * A_DAY
    counts = ~np.isin(state, (CANCELLED, REJECTED))
    is_done = state == COMPLETED
    recent = ~is_done | (known["final_at"].to_numpy() >= window)
    is_booked = known["booked_at"].to_numpy() < end
    minutes = np.where(is_booked, known["delay_minutes"], 0)
    is_delayed = counts & recent & (minutes > PROVISIONING_DELAY_LIMIT_MINUTES)
    raised, answered = known["raised_at"].to_numpy(), known["answered_at"].to_numpy()
    waits = (raised < end) & ~(answered < end)
    until = np.where(answered < end, answered, end)
    is_late = (until - raised) > NO_RESOURCE_LIMIT_HOURS * HOUR
    is_late &= counts & (raised < end) & (waits | (raised >= window))
    line = known["line"].to_numpy()
    return {
        "provisioning_delay": _marked(world, line[is_delayed]),
        "no_resource_timeout": _marked(world, line[is_late]),
        "new_install_fault": _marked(world, _faulty_installations(world, known[is_done], window)),
    }


def _marked(world: World, lines: Array) -> Array:
    is_raised = np.zeros(len(world.population.subscriptions), dtype=bool)
    is_raised[lines] = True
    return is_raised


def _faulty_installations(world: World, completed: pd.DataFrame, window: np.datetime64) -> Array:
    """Return lines whose first operator-caused fault after an installation came too soon."""
    end = end_of(world.parameters.business_date)
    installed = completed.loc[completed["kind"] == INSTALL, ["line", "final_at"]]
    tickets = world.faults.tickets
    counts = tickets["is_operator_cause"].to_numpy(dtype=bool) & (tickets["reported_at"] < end)
    counts &= ~tickets["final_state"].isin(["cancelled", "rejected"])
    pairs = installed.merge(tickets.loc[counts, ["line", "reported_at"]], on="line")
    pairs = pairs[pairs["reported_at"] >= pairs["final_at"]]
    first = pairs.groupby(["line", "final_at"], as_index=False)["reported_at"].min()
    since = first["reported_at"].to_numpy() - first["final_at"].to_numpy()
    soon = since <= days(NEW_INSTALL_FAULT_DAYS)
    return np.asarray(first["line"].to_numpy()[soon & (first["reported_at"].to_numpy() >= window)])


def _installations(world: World, random: np.random.Generator) -> pd.DataFrame:
    """Order what was activated within the history, so long before as it took."""
    subscriptions = world.population.subscriptions
    end = end_of(world.parameters.business_date)
    activated = subscriptions["activated_at"].to_numpy()
    line = np.flatnonzero(activated >= end - days(FIGURES.history_days))
    completed = activated[line]
    is_mobile = subscriptions["product_type"].to_numpy()[line] == "mobile"
    work = random.lognormal(np.log(FIGURES.install_days), 0.6, len(line)).clip(0.2, 20)
    work = np.where(is_mobile, random.uniform(0.004, 0.04, len(line)), work)
    frame = _held_up(random, line, work, ~is_mobile)
    frame["accepted_at"] = completed - days(frame.pop("length").to_numpy())
    frame = _with_no_resource(random, frame)
    return frame.assign(
        kind=INSTALL,
        scheduled_at=np.where(is_mobile, NEVER, _appointments(random, frame["accepted_at"])),
        final_at=completed,
        booked_at=completed,
        known_at=completed,
        final_state=COMPLETED,
    )


def _changes(world: World, random: np.random.Generator) -> pd.DataFrame:
    """Draw moves, migrations and upgrades of living broadband lines."""
    subscriptions = world.population.subscriptions
    end = end_of(world.parameters.business_date)
    broadband = (subscriptions["product_type"] == "broadband").to_numpy()
    is_copper = broadband & (subscriptions["access_type"] == "copper").to_numpy()
    months = FIGURES.history_days / 30
    frames = []
    for kind, suitable, share in (
        (MOVE, broadband, FIGURES.monthly_move_share),
        (MIGRATE, is_copper, FIGURES.monthly_migration_share),
        (UPGRADE, broadband, FIGURES.monthly_upgrade_share),
    ):
        is_drawn = random.random(len(subscriptions)) < share * months
        line = np.flatnonzero(suitable & is_drawn)
        count = len(line)
        median = {MOVE: 2.5, MIGRATE: 35.0, UPGRADE: 0.2}[kind]
        work = random.lognormal(np.log(median), 0.5, count)
        frame = _held_up(random, line, work, np.full(count, kind != UPGRADE))
        frame["accepted_at"] = end - days(random.uniform(0, FIGURES.history_days, count))
        frame["needs_resource"] |= kind == MIGRATE
        frame = _with_no_resource(random, frame)
        length = frame.pop("length").to_numpy()
        final = frame["accepted_at"].to_numpy() + days(length)
        state = np.where(random.random(count) < 0.06, CANCELLED, COMPLETED)
        if kind == MIGRATE:  # a line that was migrated would no longer be copper
            state = np.where(random.random(count) < 0.2, REJECTED, CANCELLED)
            final = np.where(random.random(count) < FIGURES.open_migration_share, NEVER, final)
        booked = frame["accepted_at"].to_numpy() + days(length * 0.9)
        frames.append(
            frame.assign(
                kind=kind,
                scheduled_at=_appointments(random, frame["accepted_at"]),
                final_at=final,
                booked_at=booked,
                known_at=frame["accepted_at"],
                final_state=state,
            )
        )
    return _while_line_lives(world, pd.concat(frames, ignore_index=True))


def _while_line_lives(world: World, orders: pd.DataFrame) -> pd.DataFrame:
    """Drop orders from before or after a line's life; its end cancels what is open."""
    subscriptions = world.population.subscriptions
    activated = subscriptions["activated_at"].to_numpy()[orders["line"]]
    ended = subscriptions["terminated_at"].to_numpy()[orders["line"]]
    accepted = orders["accepted_at"].to_numpy()
    keeps = (accepted > activated + days(2)) & ~(accepted >= ended)
    is_cut = ~np.isnat(ended) & ~(orders["final_at"].to_numpy() <= ended)
    orders["final_at"] = np.where(is_cut, ended, orders["final_at"].to_numpy())
    orders["final_state"] = np.where(is_cut, CANCELLED, orders["final_state"].to_numpy())
    for column in ("raised_at", "answered_at", "booked_at"):
        times = orders[column].to_numpy()
        orders[column] = np.where(times > ended, NEVER, times)
    return orders[keeps].reset_index(drop=True)


def _held_up(random: np.random.Generator, line: Array, work: Array, may_be: Array) -> pd.DataFrame:
    """Add delays by the operator, lacking resources and the customer's own wishes to the work."""
    count = len(line)
    draw = random.random(count)
    limits = np.cumsum(
        [FIGURES.delayed_share, FIGURES.no_resource_share, FIGURES.customer_delay_share]
    )
    is_delayed = may_be & (draw < limits[0])
    lacks = may_be & (draw >= limits[0]) & (draw < limits[1])
    by_customer = may_be & (draw >= limits[1]) & (draw < limits[2])
    delay = random.lognormal(np.log(FIGURES.delay_days), 0.8, count).clip(0.05, 40)
    cause = np.where(is_delayed, chosen(random, (0.5, 0.35, 0.15), count), -1)
    cause = np.where(lacks, NO_RESOURCE, np.where(by_customer, CUSTOMER, cause))
    minutes = np.where(is_delayed | lacks, np.floor(delay * 1440), 0).astype("int64")
    return pd.DataFrame(
        {
            "line": line,
            "cause": cause,
            "delay_minutes": minutes,
            "needs_resource": lacks,
            "length": work + np.where(cause >= 0, delay, 0),
        }
    )


def _with_no_resource(random: np.random.Generator, orders: pd.DataFrame) -> pd.DataFrame:
    """Add when a lack of resources was reported and answered; the delay covers the wait."""
    count = len(orders)
    lacks = orders.pop("needs_resource").to_numpy()
    raised = orders["accepted_at"].to_numpy() + days(random.uniform(0.02, 0.04, count))
    hours = random.lognormal(np.log(FIGURES.answer_hours), 0.7, count).clip(0.5, 400)
    is_order_wait = lacks & (orders["cause"].to_numpy() == NO_RESOURCE)
    longest = orders["delay_minutes"].to_numpy() / 60
    hours = np.where(is_order_wait, np.minimum(hours, longest), hours)
    return orders.assign(
        raised_at=np.where(lacks, raised, NEVER),
        answered_at=np.where(lacks, raised + seconds(hours * 3600), NEVER),
    )


def _appointments(random: np.random.Generator, accepted: pd.Series) -> Array:
    """Agree on a full hour of one of the next days."""
    day = accepted.to_numpy().astype("datetime64[D]").astype("datetime64[s]")
    later = random.integers(1, 4, len(day)) * DAY + random.integers(9, 18, len(day)) * 3600
    return np.asarray(day + seconds(later))


def _sellers(world: World) -> Array:
    """Choose a dealer of the customer's place, or online; discarded cards have their own agents."""
    random = world.parameters.random("sellers")
    subscriptions = world.population.subscriptions
    count = len(subscriptions)
    place = world.population.customers["place"].to_numpy()[subscriptions["customer"].to_numpy()]
    drawn = chosen(random, DEALER_SHARES, count)
    online = len(PLACES) * len(DEALERS_PER_PLACE) + random.integers(0, ONLINE_COUNT, count)
    is_online = drawn == len(DEALERS_PER_PLACE)
    seller = np.where(is_online, online, place * len(DEALERS_PER_PLACE) + drawn)
    habits = world.sources["mobile_usage"]
    ends = since_epoch(subscriptions["terminated_at"].to_numpy())[habits.lines]
    never_used = (habits.silent_from <= habits.activated) & (habits.activated < ends)
    discarded = habits.lines[never_used]
    moved = discarded[random.random(len(discarded)) < FIGURES.discarding_agents_share]
    agents = np.flatnonzero(world.sources["organisation"].dealers["is_discarding"].to_numpy())
    seller[moved] = agents[random.integers(0, len(agents), len(moved))]
    return np.asarray(seller, dtype="int32")


class _Planter:
    """Takes quiet lines one after the other and notes what is planted on each."""

    def __init__(self, world: World) -> None:
        self.end = end_of(world.parameters.business_date)
        self.orders: list[dict[str, Any]] = []
        self.cases: list[dict[str, Any]] = []
        self._free = iter(_quiet_lines(world))

    def case(self, rule_code: str, name: str, is_raised: bool, line: int | None = None) -> int:
        if line is None:
            line = next(self._free, None)
        if line is None:
            raise ValueError("too few customers to plant every order case; take 300 or more")
        self.cases.append(
            {"line": line, "rule_code": rule_code, "case_name": name, "is_raised": is_raised}
        )
        return line

    def order(
        self,
        line: int,
        accepted: np.datetime64,
        final: np.datetime64,
        state: int = COMPLETED,
        kind: int = MOVE,
        delay_minutes: int = 0,
        cause: int = -1,
        raised: np.datetime64 = NEVER,
        answered: np.datetime64 = NEVER,
    ) -> None:
        self.orders.append(
            {
                "line": line,
                "kind": kind,
                "accepted_at": accepted,
                "known_at": final if kind == INSTALL else accepted,
                "scheduled_at": accepted + A_DAY,
                "raised_at": raised,
                "answered_at": answered,
                "booked_at": accepted + 6 * A_DAY if np.isnat(final) else final,
                "final_at": final,
                "final_state": state,
                "delay_minutes": delay_minutes,
                "cause": cause,
            }
        )


def _quiet_lines(world: World) -> list[int]:
    """Return living fibre lines of long-standing customers on which nothing else is planted."""
    subscriptions = world.population.subscriptions
    kind = world.population.customers["kind"].to_numpy(dtype=object)[subscriptions["customer"]]
    end = end_of(world.parameters.business_date)
    is_quiet = (
        (kind == "base")
        & (subscriptions["rank"] == 1).to_numpy()
        & (subscriptions["access_type"] == "ftth").to_numpy()
        & (subscriptions["activated_at"].to_numpy() < end - days(FIGURES.history_days + 20))
        & np.isnat(subscriptions["terminated_at"].to_numpy())
    )
    is_quiet[world.planted.lines()] = False
    is_quiet[world.faults.tickets["line"].to_numpy()] = False
    return [int(line) for line in np.flatnonzero(is_quiet)]


def _planted(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    planter = _Planter(world)
    _plant_delays(planter)
    _plant_no_resource(planter)
    _plant_new_install_faults(planter, world)
    return pd.DataFrame(planter.orders), pd.DataFrame(planter.cases)


def _plant_delays(planter: _Planter) -> None:
    end, limit = planter.end, PROVISIONING_DELAY_LIMIT_MINUTES
    window, recent = end - IN_SALE_WINDOW_DAYS * A_DAY, end - 5 * A_DAY
    for name, minutes, final, state, is_raised in (
        ("delayed for exactly the limit", limit, recent, COMPLETED, False),
        ("delayed a minute longer", limit + 1, recent, COMPLETED, True),
        ("delayed, completed at the window's start", limit + 1, window, COMPLETED, True),
        ("delayed, completed a second too early", limit + 1, window - SECOND, COMPLETED, False),
        ("delayed and not completed", limit + 1, NEVER, COMPLETED, True),
        ("delayed, completed in the last second", limit + 1, end - SECOND, COMPLETED, True),
        ("delayed, but cancelled", limit + 1, recent, CANCELLED, False),
    ):
        line = planter.case("provisioning_delay", name, is_raised)
        accepted = (end if np.isnat(final) else final) - 12 * A_DAY
        planter.order(line, accepted, final, state, delay_minutes=minutes, cause=0)
    line = planter.case("provisioning_delay", "held up by the customer only", False)
    planter.order(line, recent - 20 * A_DAY, recent, cause=CUSTOMER)


def _plant_no_resource(planter: _Planter) -> None:
    end, limit = planter.end, NO_RESOURCE_LIMIT_HOURS * HOUR
    window, recent = end - IN_SALE_WINDOW_DAYS * A_DAY, end - 8 * A_DAY
    for name, raised, answered, state, is_raised in (
        ("answered after exactly the limit", recent, recent + limit, COMPLETED, False),
        ("answered a second later", recent, recent + limit + SECOND, COMPLETED, True),
        ("unanswered for exactly the limit", end - limit, NEVER, COMPLETED, False),
        ("unanswered a second longer", end - limit - SECOND, NEVER, COMPLETED, True),
        ("unanswered for 60 days", end - 60 * A_DAY, NEVER, COMPLETED, True),
        ("late, raised at the window's start", window, window + 2 * limit, COMPLETED, True),
        ("late, raised a second too early", window - SECOND, window + 2 * limit, COMPLETED, False),
        ("unanswered, but cancelled", recent, NEVER, CANCELLED, False),
    ):
        line = planter.case("no_resource_timeout", name, is_raised)
        is_final = state == CANCELLED or not np.isnat(answered)
        final = raised + 5 * A_DAY if is_final else NEVER
        planter.order(line, raised - 3 * HOUR, final, state, raised=raised, answered=answered)


def _plant_new_install_faults(planter: _Planter, world: World) -> None:
    """Complete installations exactly so long before a fault that is on record anyway.

    A small operator has too few lonely faults for all cases; the first ones come first.
    """
    limit = NEW_INSTALL_FAULT_DAYS * A_DAY
    by_operator, by_customer = _lonely_faults(world)
    for name, faults, before, kind, is_raised in (
        ("fault after exactly fifteen days", by_operator, limit, INSTALL, True),
        ("fault a second later", by_operator, limit + SECOND, INSTALL, False),
        ("fault in the moment of completion", by_operator, 0 * SECOND, INSTALL, True),
        ("fault a second before the completion", by_operator, -SECOND, INSTALL, False),
        ("fault by the customer's own doing", by_customer, 5 * A_DAY, INSTALL, False),
        ("fault after a move", by_operator, 5 * A_DAY, MOVE, False),
    ):
        fault = next(faults, None)
        if fault is None:
            continue
        line, reported = fault
        planter.case("new_install_fault", name, is_raised, line)
        planter.order(line, reported - before - 2 * A_DAY, reported - before, kind=kind)


def _lonely_faults(
    world: World,
) -> tuple[Iterator[tuple[int, np.datetime64]], Iterator[tuple[int, np.datetime64]]]:
    """Return recent faults with none near them, by the operator's and by the customer's cause."""
    end = end_of(world.parameters.business_date)
    tickets = world.faults.tickets.sort_values(["line", "reported_at"], kind="stable")
    line, reported = tickets["line"].to_numpy(), tickets["reported_at"].to_numpy()
    is_near = (np.diff(line) == 0) & (np.diff(reported) < days(2 * IN_SALE_WINDOW_DAYS))
    is_lonely = ~np.r_[False, is_near] & ~np.r_[is_near, False]
    subscriptions = world.population.subscriptions
    lives = np.isnat(subscriptions["terminated_at"].to_numpy()[line])
    is_old = subscriptions["activated_at"].to_numpy()[line] < end - days(FIGURES.history_days + 20)
    is_counted = ~tickets["final_state"].isin(["cancelled", "rejected"]).to_numpy()
    recent = (reported > end - days(IN_SALE_WINDOW_DAYS - 1)) & (reported < end - days(1))
    fits = is_lonely & lives & is_old & is_counted & recent
    is_operator = tickets["is_operator_cause"].to_numpy(dtype=bool)

    def found(mask: Array) -> Iterator[tuple[int, np.datetime64]]:
        return iter([(int(line[row]), reported[row]) for row in np.flatnonzero(mask)[:20]])

    return found(fits & is_operator), found(fits & ~is_operator)


EXTRACTS = {"service_order.service_order": service_orders}
