"""What staff note of a contact: how it went, and now and then a clue to who the customer is.

Nobody picks a clue from a list (TIER-10): the same is said in many words, in full-width digits and
with stray spaces, and some notes only sound like a clue.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scripts.simulate_operator.timeline import DAY, Array, end_of

if TYPE_CHECKING:
    from scripts.simulate_operator.extracts import World

COMPLAINT_NOTES = (
    "用户情绪激动，要求尽快处理",
    "已解释，用户认可",
    "用户要求上门检测",
    "用户不满处理时限",
)
LEADS = ("", "用户说", "客户提到：", "备注 ")


@dataclass(frozen=True)
class Clue:
    """What a note tells of a customer, in the words of the knowledge base, and how it is said."""

    code: str
    value: str
    phrases: tuple[str, ...]
    share: float  # of persons of the age
    ages: tuple[int, int] = (0, 200)


CLUES = (
    Clue("preferred_contact_time", "evening", (
        "晚上８点后方便接电话", "晚上 8 点以后再打", "白天上班，请晚上联系", "下班后才有空接电话",
    ), 0.035),
    Clue("preferred_contact_time", "weekend", (
        "周末方便接听", "只有周六、周日有空接电话", "请星期六 联系", "平时忙，双休日再打电话",
    ), 0.025),
    Clue("household", "child", (
        "家里有小孩上网课", "孩子要上网课，网不能断", "家有 宝宝", "儿子读小学，在家上网课",
    ), 0.06, (22, 50)),
    Clue("household", "elderly", (
        "家里老人用得多", "给父母装的，老人家不会操作", "与老 人同住", "家中有８０岁老人",
    ), 0.03, (35, 200)),
    Clue("hobby", "games", (
        "喜欢打游戏", "爱玩游戏，怕延迟高", "打网 游经常掉线", "玩手游卡顿，天天玩",
    ), 0.05, (0, 45)),
    Clue("hobby", "video", (
        "喜欢看视频", "天天追剧", "爱刷短 视频", "看电影、看直播卡顿",
    ), 0.035),
    Clue("hobby", "sport", (
        "爱打篮球", "经常跑步健身", "喜欢 运动", "常去踢足球",
    ), 0.02),
    Clue("income_band", "retired", (
        "退休在家", "已经退 休", "退休老师", "靠退休金生活",
    ), 0.12, (58, 200)),
    Clue("income_band", "low", (
        "低保户", "收入不高，想要便宜套餐", "目前失业，没有收入", "打零工，收入 低",
    ), 0.02),
)  # fmt: skip
MISLEADING = (
    "不喜欢打游戏，要求退订游戏包",
    "请不要在晚上打电话",
    "晚上网速慢",
    "老人机无法上网",
    "周末营业厅人太多",
    "运动会期间信号差",
    "视频会议卡顿",
    "邻居小孩剪断网线",
    "咨询退休人员优惠，本人不符合",
    "游戏充值未到账",
    "要求提供发票",
    "地址有误，已更正",
)
PHRASES = (*((clue, phrase) for clue, item in enumerate(CLUES) for phrase in item.phrases),)
SAID = (*(lead + phrase for (_, phrase), lead in product(PHRASES, LEADS)), *MISLEADING)
FIRST_MISLEADING = len(PHRASES) * len(LEADS)
FIRST_SAID = [  # position in SAID of each clue's first wording
    next(at for at, (number, _) in enumerate(PHRASES) if number == clue) * len(LEADS)
    for clue in range(len(CLUES))
]
SAID_COUNT = [len(clue.phrases) * len(LEADS) for clue in CLUES]
# Every note: what is said after each of the notes of a complaint, or alone; "" for no note.
TEXTS = pa.array(
    [
        "；".join(part for part in parts if part)
        for parts in product(("", *COMPLAINT_NOTES), ("", *SAID))
    ]
)
CLUES_OF_ONE = 2  # clues that one customer can give
MENTIONED_SHARE = 0.45  # contacts with staff in which who has something to tell tells it
MISLEADING_SHARE = 0.03


def draw_clues(world: World) -> Array:
    """Return what each customer would tell: positions in CLUES, -1 for nothing; of a code one."""
    random = world.parameters.random("clues")
    customers = world.population.customers
    end = end_of(world.parameters.business_date)
    years = (end - customers["birth_date"].to_numpy()).astype("int64") / (365.25 * DAY)
    found = np.full((len(customers), CLUES_OF_ONE), -1, dtype="int8")
    codes = [clue.code for clue in CLUES]
    for number, clue in enumerate(CLUES):
        low, high = clue.ages
        is_told = random.random(len(customers)) < clue.share
        is_told &= (years >= low) & (years < high)
        same_code = [at for at, code in enumerate(codes) if code == clue.code]
        is_told &= ~np.isin(found, same_code).any(axis=1)
        for place in range(CLUES_OF_ONE):
            is_free = found[:, place] < 0
            found[is_told & is_free, place] = number
            is_told &= ~is_free
    return found


def noted(clues: Array, is_staffed: Array, complaint: Array, draw: Array) -> tuple[pa.Array, Array]:
    """Return the note of each contact and the clue in it, -1 for none.

    `clues` has what the customers would tell, `complaint` the note of a complaint or -1, `draw` a
    random number in [0, 1).
    """
    digits = (draw * 2**40).astype("int64")
    first, second = clues[:, 0], clues[:, 1]
    clue = np.where((second >= 0) & (digits % 2 == 1), second, first)
    clue = np.where(is_staffed & (draw < MENTIONED_SHARE), clue, -1)
    digits //= 2
    wording = np.array(FIRST_SAID)[clue] + digits % np.array(SAID_COUNT)[clue]
    misleads = is_staffed & (draw >= 1 - MISLEADING_SHARE)
    misleading = FIRST_MISLEADING + digits % len(MISLEADING)
    said = np.where(clue >= 0, wording, np.where(misleads, misleading, -1))
    position = (complaint + 1) * (len(SAID) + 1) + said + 1
    note = pa.DictionaryArray.from_arrays(pa.array(position, mask=position == 0), TEXTS)
    return note, clue
