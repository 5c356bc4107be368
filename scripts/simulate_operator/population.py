"""Who the simulated customers are, what they hold and what they are like inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.timeline import (
    DAY,
    HISTORY_DAYS,
    Array,
    days,
    end_of,
    history_start,
    midnight,
    seconds,
)

# Invented city regions with their districts and their share of the customers.
REGIONS = {
    "星河市": (0.34, ("东湖区", "西岭区", "南浦区", "北苑区", "长桥县")),
    "云岭市": (0.24, ("古城区", "高新区", "青石县", "白沙县")),
    "海陵市": (0.18, ("港口区", "海滨区", "渔东县")),
    "江口市": (0.14, ("江南区", "江北区", "石门县")),
    "松原州": (0.10, ("松山市", "草甸县", "雪峰县")),
}
AREAS_PER_COUNTY = 12
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕東𠮷仝逄"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅東堃喆䶮曌犇珺鑫晖嘉梓涵宇轩欣怡子墨"
)
TRADES = ("商贸", "物流", "餐饮", "科技", "建材", "物业", "教育", "医药")
PHONE_PREFIX = "161"  # not allocated to anybody
IDENTITY_AREA = "999999"  # no such administrative area

# plan_id, name, product, share within the product, bandwidth, and the rents with the days before
# (positive) or after (negative) the business date on which each took effect. Ordered by rent.
# At and above 189 yuan: 4.5 % of broadband (RISK-12), among them a plan that has just risen; a plan
# that used to cost 189, one at 188.99 and one that will rise next month are below.
PLANS: tuple[tuple[str, str, str, float, int | None, tuple[tuple[int, float], ...]], ...] = (
    ("BB049", "宽带基础50M", "broadband", 0.140, 50, ((2200, 49.0),)),
    ("BB069", "宽带畅享100M", "broadband", 0.200, 100, ((2200, 69.0),)),
    ("BB099", "宽带畅享200M", "broadband", 0.260, 200, ((2200, 99.0),)),
    ("BB129", "宽带家庭300M", "broadband", 0.195, 300, ((1800, 139.0), (700, 129.0))),
    ("BB159", "宽带家庭500M", "broadband", 0.100, 500, ((1800, 189.0), (400, 159.0))),
    ("BB169", "宽带影音500M", "broadband", 0.040, 500, ((1500, 169.0),)),
    ("BB179", "宽带电竞600M", "broadband", 0.010, 600, ((1500, 179.0), (-42, 199.0))),
    ("BB188", "宽带特惠600M", "broadband", 0.010, 600, ((1500, 188.99),)),
    ("BB189", "宽带尊享1000M", "broadband", 0.020, 1000, ((1500, 189.0),)),
    ("BB190", "宽带東方尊享1000M", "broadband", 0.010, 1000, ((1200, 179.0), (45, 189.0))),
    ("BB239", "宽带融合1000M", "broadband", 0.010, 1000, ((1200, 239.0),)),
    ("BB299", "宽带旗舰2000M", "broadband", 0.005, 2000, ((900, 299.0),)),
    ("MB019", "移动轻享", "mobile", 0.15, None, ((2200, 19.0),)),
    ("MB039", "移动畅聊", "mobile", 0.25, None, ((2200, 39.0),)),
    ("MB059", "移动流量A", "mobile", 0.25, None, ((2200, 59.0),)),
    ("MB079", "移动流量B", "mobile", 0.17, None, ((2000, 79.0),)),
    ("MB099", "移动5G基础", "mobile", 0.12, None, ((1500, 109.0), (500, 99.0))),
    ("MB129", "移动5G优享", "mobile", 0.04, None, ((1500, 129.0),)),
    ("MB199", "移动5G尊享", "mobile", 0.02, None, ((1500, 199.0),)),
    ("FV015", "固话月租", "fixed_voice", 0.7, None, ((2200, 15.0),)),
    ("FV025", "固话商务", "fixed_voice", 0.3, None, ((2200, 25.0),)),
)


@dataclass
class Population:
    """Customers, subscriptions, accounts and plans.

    Rows refer to each other by position: `customer` and `account` in `subscriptions` are row
    numbers. Columns that no extract knows are latent.
    """

    customers: pd.DataFrame
    subscriptions: pd.DataFrame
    accounts: pd.DataFrame
    plans: pd.DataFrame

    def rent_at(self, moment: np.datetime64) -> Array:
        """Return each subscription's monthly rent (yuan) in force at `moment`."""
        return rents(self.plans, self.subscriptions["plan_id"], moment)


def create(parameters: Parameters) -> Population:
    """Draw the base at the start of the history, former customers, and those who will join."""
    plans = _plans(parameters)
    customers = _customers(parameters)
    subscriptions = _subscriptions(parameters, customers)
    accounts = _accounts(customers, subscriptions)
    population = Population(customers, subscriptions, accounts, plans)
    customers["contact_phone"] = _contact_phones(parameters, population)
    customers["star_level"] = _star_levels(parameters, population)
    return population


def rents(plans: pd.DataFrame, plan_ids: pd.Series, moment: np.datetime64) -> Array:
    """Look up the rent in force at `moment` for each plan id."""
    day = moment.astype("datetime64[D]").astype("datetime64[s]")
    ended = plans["valid_to"].to_numpy()
    in_force = (plans["valid_from"].to_numpy() <= day) & (np.isnat(ended) | (ended > day))
    current = plans[in_force].set_index("plan_id")["monthly_rent_amount"]
    return plan_ids.map(current).to_numpy(dtype="float64")


def hashed_uniform(parameters: Parameters, stream: str, keys: Array) -> Array:
    """Return a number in [0, 1) per key; seed, stream and key alone decide it."""
    salt = f"{parameters.seed % 10**8:08d}{stream:_<8.8}"
    hashed = pd.util.hash_array(keys.astype(object), hash_key=salt, categorize=False)
    return np.asarray(hashed, dtype="uint64").astype("float64") / 2.0**64


def response_types(parameters: Parameters, customer_ids: Array) -> Array:
    """Return how each customer takes a call: persuadable, sure, lost or sleeping_dog."""
    shares = np.cumsum([share for _, share, _ in parameters.response_types])
    drawn = hashed_uniform(parameters, "response", customer_ids) * shares[-1]
    names = np.array([name for name, _, _ in parameters.response_types], dtype=object)
    return np.asarray(names[np.searchsorted(shares, drawn, side="right")])


def reach_probabilities(parameters: Parameters, customer_ids: Array) -> Array:
    """Return the chance that a call reaches each customer, between 0.35 and 0.85."""
    return 0.35 + 0.5 * hashed_uniform(parameters, "reach", customer_ids)


def _plans(parameters: Parameters) -> pd.DataFrame:
    today = midnight(parameters.business_date)
    rows = []
    for plan_id, name, product, _, bandwidth, steps in PLANS:
        starts = [today - days(before) for before, _ in steps]
        ends = [*starts[1:], np.datetime64("NaT", "s")]
        for (_, rent), valid_from, valid_to in zip(steps, starts, ends, strict=True):
            rows.append((plan_id, name, product, rent, bandwidth, valid_from, valid_to))
    names = "plan_id plan_name product_type monthly_rent_amount bandwidth_mbps valid_from valid_to"
    frame = pd.DataFrame(rows, columns=names.split())
    for column in ("valid_from", "valid_to"):
        frame[column] = frame[column].astype("datetime64[s]")
    return frame


def _customers(parameters: Parameters) -> pd.DataFrame:
    random = parameters.random("customers")
    base = parameters.customer_count
    former = round(base * parameters.former_customer_share)
    joining = round(base * parameters.monthly_join_share * HISTORY_DAYS / 30)
    count = base + former + joining
    kind = np.repeat(["base", "former", "joining"], [base, former, joining])

    start = history_start(parameters.business_date)
    tenure = random.exponential(parameters.mean_tenure_days, count).clip(31, 7000)
    joined_at = start - days(np.where(kind == "former", tenure + 760, tenure))
    joins = kind == "joining"
    joined_at[joins] = start + seconds(random.random(int(joins.sum())) * HISTORY_DAYS * DAY)
    joined_at = joined_at.astype("datetime64[D]").astype("datetime64[s]") + seconds(
        random.uniform(9 * 3600, 17 * 3600, count)
    )

    customers = pd.DataFrame({"customer_id": numbered_ids("C", 8, count)})
    customers["kind"] = kind
    customers["joined_at"] = joined_at
    customers["registered_date"] = joined_at.astype("datetime64[D]").astype("datetime64[s]")
    add_person(parameters, customers)
    add_place(parameters, customers)
    customers["is_do_not_call"] = random.random(count) < parameters.do_not_call_share
    for latent in ("price", "service", "competitor"):
        customers[f"{latent}_sensitivity"] = random.standard_normal(count)
    customers["wealth"] = random.standard_normal(count)
    customers["payment_risk"] = random.standard_normal(count) - 0.4 * customers["wealth"]
    ids = customers["customer_id"].to_numpy()
    customers["response_type"] = response_types(parameters, ids)
    customers["reach_probability"] = reach_probabilities(parameters, ids)
    return customers


def add_person(
    parameters: Parameters, customers: pd.DataFrame, stream: str = "persons", first_row: int = 0
) -> None:
    """Add name, gender, birth date and identity number; all invented.

    `first_row` is the row number of the first among all customers.
    """
    random = parameters.random(stream)
    count = len(customers)
    surname, first, second = (
        np.array(list(letters), dtype=object)[random.integers(0, len(letters), count)]
        for letters in (SURNAMES, GIVEN, GIVEN)
    )
    second = np.where(random.random(count) < 0.25, "", second)
    is_organisation = random.random(count) < parameters.organisation_share
    trade = np.array(TRADES, dtype=object)[random.integers(0, len(TRADES), count)]
    customers["customer_name"] = np.where(
        is_organisation, first + second + trade + "有限公司", surname + first + second
    )
    gender = np.where(random.random(count) < 0.5, "female", "male")
    customers["gender"] = np.where(is_organisation, "unknown", gender)
    born = midnight(parameters.business_date) - days(
        random.normal(44, 14, count).clip(18, 92).round(2) * 365.25
    )
    born = born.astype("datetime64[D]").astype("datetime64[s]")
    customers["birth_date"] = np.where(is_organisation, np.datetime64("NaT", "s"), born)
    digits = pd.Series(born).dt.strftime("%Y%m%d").to_numpy(dtype=object)
    tail = (
        pd.Series((first_row + np.arange(count)) % 10_000)
        .astype(str)
        .str.zfill(4)
        .to_numpy(dtype=object)
    )
    identity = IDENTITY_AREA + digits + tail
    missing = random.random(count) < parameters.no_identity_share
    customers["identity_number"] = _blanked(identity, missing)


def add_place(parameters: Parameters, customers: pd.DataFrame, stream: str = "places") -> None:
    random = parameters.random(stream)
    share, region, county = [], [], []
    for name, (weight, counties) in REGIONS.items():
        for item in counties:
            share.append(weight / len(counties))
            region.append(name)
            county.append(item)
    place = random.choice(len(share), len(customers), p=np.array(share) / np.sum(share))
    customers["region"] = np.array(region, dtype=object)[place]
    customers["county"] = np.array(county, dtype=object)[place]
    customers["place"] = place


def _subscriptions(parameters: Parameters, customers: pd.DataFrame) -> pd.DataFrame:
    random = parameters.random("subscriptions")
    count = len(customers)
    draw = random.random(count)
    has_broadband = draw < parameters.broadband_share
    has_mobile = draw >= parameters.broadband_only_share
    holdings = (
        ("broadband", 1, has_broadband),
        (
            "broadband",
            2,
            has_broadband & (random.random(count) < parameters.second_broadband_share),
        ),
        ("mobile", 1, has_mobile),
        ("mobile", 2, has_mobile & (random.random(count) < parameters.second_mobile_share)),
        ("fixed_voice", 1, has_broadband & (random.random(count) < parameters.fixed_voice_share)),
    )
    frame = pd.concat(
        [
            pd.DataFrame({"customer": np.flatnonzero(held), "product_type": product, "rank": rank})
            for product, rank, held in holdings
        ],
        ignore_index=True,
    )
    frame = frame.sort_values("customer", kind="stable", ignore_index=True)
    frame.insert(0, "subscription_id", numbered_ids("S", 9, len(frame)))
    frame["customer_id"] = customers["customer_id"].to_numpy()[frame["customer"]]
    _add_plans(parameters, customers, frame)
    _add_lines(parameters, customers, frame)
    _add_times(parameters, customers, frame)
    return frame


def _add_plans(
    parameters: Parameters, customers: pd.DataFrame, subscriptions: pd.DataFrame
) -> None:
    """Give the wealthier customers the dearer plans, with exactly the shares of `PLANS`."""
    random = parameters.random("plans")
    correlation = parameters.rent_wealth_correlation
    wealth = customers["wealth"].to_numpy()[subscriptions["customer"]]
    noise = random.standard_normal(len(subscriptions))
    score = pd.Series(correlation * wealth + np.sqrt(1 - correlation**2) * noise)
    product = subscriptions["product_type"]
    percentile = score.groupby(product).rank(method="first", pct=True).to_numpy() - 1e-9
    plan_id = np.empty(len(subscriptions), dtype=object)
    bandwidth = np.full(len(subscriptions), np.nan)
    for name in product.unique():
        plans = [plan for plan in PLANS if plan[2] == name]
        shares = np.cumsum([plan[3] for plan in plans])
        is_product = (product == name).to_numpy()
        chosen = np.searchsorted(shares / shares[-1], percentile[is_product], side="right")
        plan_id[is_product] = np.array([plan[0] for plan in plans], dtype=object)[chosen]
        speeds = np.array([plan[4] or np.nan for plan in plans], dtype="float64")
        bandwidth[is_product] = speeds[chosen]
    subscriptions["plan_id"] = plan_id
    subscriptions["bandwidth_mbps"] = bandwidth


def _add_lines(
    parameters: Parameters, customers: pd.DataFrame, subscriptions: pd.DataFrame
) -> None:
    """Add access, cross-connect area and service number."""
    random = parameters.random("lines")
    count = len(subscriptions)
    product = subscriptions["product_type"].to_numpy(dtype=object)
    access = np.where(random.random(count) < parameters.ftth_share, "ftth", "copper").astype(object)
    access[product == "fixed_voice"] = "copper"
    access[product == "mobile"] = None
    subscriptions["access_type"] = access
    place = customers["place"].to_numpy()[subscriptions["customer"]]
    area = place * AREAS_PER_COUNTY + random.integers(0, AREAS_PER_COUNTY, count)
    names = pd.Series(area).astype(str).str.zfill(4).to_numpy(dtype=object)
    subscriptions["cross_connect_area_id"] = _blanked("JJ" + names, product == "mobile")
    number = pd.Series(np.arange(count)).astype(str).str.zfill(9).to_numpy(dtype=object)
    subscriptions["service_number"] = np.where(
        product == "mobile", phone_numbers(np.arange(count)), "kd" + number
    )


def _add_times(
    parameters: Parameters, customers: pd.DataFrame, subscriptions: pd.DataFrame
) -> None:
    """Add activation, an earlier termination (former customers only) and the contract."""
    random = parameters.random("times")
    count = len(subscriptions)
    start = history_start(parameters.business_date)
    joined = customers["joined_at"].to_numpy()[subscriptions["customer"]]
    kind = customers["kind"].to_numpy(dtype=object)[subscriptions["customer"]]
    first = np.r_[True, np.diff(subscriptions["customer"]) > 0]
    later = days(random.random(count) ** 2 * elapsed_until(start, joined))
    activated = joined + np.where(first | (kind != "base"), days(0.1), later)
    subscriptions["activated_at"] = activated
    left = start - days(random.uniform(1, 720, len(customers)))
    left_at = left[subscriptions["customer"].to_numpy()]
    is_former = kind == "former"
    subscriptions["terminated_at"] = np.where(is_former, left_at, np.datetime64("NaT", "s"))
    passive = random.random(len(customers)) < parameters.passive_share
    kinds = np.where(passive, "passive", "active")[subscriptions["customer"]]
    subscriptions["termination_kind"] = _blanked(kinds, ~is_former)

    ends = midnight(parameters.business_date) + days(random.uniform(-300, 700, count).round())
    earliest = activated.astype("datetime64[D]").astype("datetime64[s]") + days(364)
    ends = np.maximum(ends, earliest)
    has_contract = random.random(count) < parameters.contract_share
    subscriptions["contract_end"] = np.where(has_contract, ends, np.datetime64("NaT", "s"))
    renewed = ends + days(random.uniform(-20, 10, count).round())
    renews = has_contract & (random.random(count) < parameters.contract_renewal_share)
    subscriptions["contract_renewed_at"] = np.where(renews, renewed, np.datetime64("NaT", "s"))


def elapsed_until(moment: np.datetime64, since: Array) -> Array:
    """Return the days from `since` to `moment`, never less than zero."""
    return np.maximum((moment - since).astype("timedelta64[s]").astype("float64") / DAY, 0.0)


def contract_end_at(subscriptions: pd.DataFrame, moment: np.datetime64) -> Array:
    """Return the end of the contract as known at `moment`; a renewal adds a year."""
    ends = subscriptions["contract_end"].to_numpy()
    renewed_at = subscriptions["contract_renewed_at"].to_numpy()
    return np.asarray(np.where(renewed_at < moment, ends + days(365), ends))


def _accounts(customers: pd.DataFrame, subscriptions: pd.DataFrame) -> pd.DataFrame:
    """Bill second lines of even-numbered customers to an account of their own."""
    own = (subscriptions["rank"] > 1) & (subscriptions["customer"] % 2 == 0)
    number = subscriptions["customer"] * 2 + own.astype("int64")
    numbers, position = np.unique(number.to_numpy(), return_inverse=True)
    customer = numbers // 2
    ids = customers["customer_id"].to_numpy(dtype=object)[customer]
    suffix = np.where(numbers % 2 == 0, "1", "2").astype(object)
    accounts = pd.DataFrame(
        {
            "account_id": "A" + pd.Series(ids).str[1:].to_numpy(dtype=object) + suffix,
            "customer_id": ids,
            "customer": customer,
        }
    )
    subscriptions["account"] = position
    subscriptions["account_id"] = accounts["account_id"].to_numpy()[position]
    return accounts


def _contact_phones(parameters: Parameters, population: Population) -> Array:
    """Prefer the customer's own mobile number; some have none at all."""
    random = parameters.random("phones")
    count = len(population.customers)
    phones = phone_numbers(50_000_000 + np.arange(count))
    mobile = population.subscriptions[population.subscriptions["product_type"] == "mobile"]
    mobile = mobile[mobile["rank"] == 1]
    phones[mobile["customer"].to_numpy()] = mobile["service_number"].to_numpy(dtype=object)
    missing = random.random(count) < parameters.no_phone_share
    return _blanked(phones, missing)


def _star_levels(parameters: Parameters, population: Population) -> Array:
    """Rank customers by rent and tenure: most have no star, few have seven."""
    random = parameters.random("stars")
    count = len(population.customers)
    rent = population.rent_at(end_of(parameters.business_date))
    total = np.bincount(population.subscriptions["customer"], rent, minlength=count)
    age = elapsed_until(
        end_of(parameters.business_date), population.customers["joined_at"].to_numpy()
    )
    score = pd.Series(np.log1p(total) + age / 2500 + random.normal(0, 0.4, count))
    limits = [0.30, 0.50, 0.68, 0.82, 0.91, 0.965, 0.99]
    return np.searchsorted(limits, score.rank(pct=True).to_numpy(), side="right")


def _blanked(values: Array, is_blank: Array) -> Array:
    """Return the texts with nothing where `is_blank`."""
    texts = np.array(values, dtype=object)
    texts[is_blank] = None
    return texts


def phone_numbers(numbers: Array) -> Array:
    """Spread numbers below 10**8 over eleven-digit numbers without collision."""
    scattered = numbers.astype("int64") * 48_271_003 % 10**8
    digits = pd.Series(scattered).astype(str).str.zfill(8).to_numpy(dtype=object)
    return np.asarray(PHONE_PREFIX + digits, dtype=object)


def numbered_ids(prefix: str, width: int, count: int, first: int = 0) -> Array:
    """Return the identifiers of `count` rows of which the first is in row `first`."""
    numbers = pd.Series(np.arange(first + 1, first + count + 1)).astype(str).str.zfill(width)
    return np.asarray(prefix + numbers.to_numpy(dtype=object), dtype=object)
