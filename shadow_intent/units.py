"""The words around a number: units, fractions, corrections and speeds. Data for `quantities` and `slots`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

STEP_M = 0.3
"""Metres of one step, in either language."""

LIMITS = {"m": (0.005, 1000.0), "deg": (0.1, 3600.0), "s": (0.05, 3600.0), "times": (1.0, 1000.0)}
"""Smallest and largest quantity that can be meant: metres, degrees, seconds, repetitions. The skills bound further."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(rows: str) -> dict[str, tuple[str, float]]:
    """Lines of "kind factor: unit, unit" as unit -> (kind, factor). A step's kind tells it from other metres."""
    units: dict[str, tuple[str, float]] = {}
    for row in rows.strip().splitlines():
        head, names = row.split(":")
        kind, factor = head.split()
        units |= {name.strip(): (kind, float(factor)) for name in names.split(",")}
    return units


UNITS = _table(f"""
m 1: m, metre, metres, meter, meters, meeter, meeters, mtr, mtrs, 米, 公尺
m 0.1: dm, decimetre, decimetres, decimeter, decimeters, 分米
m 0.01: cm, cms, centimetre, centimetres, centimeter, centimeters, centi meters, centi metres, 厘米, 公分, 里米, 厘
m 0.001: mm, millimetre, millimetres, millimeter, millimeters, milli meters, 毫米
m 1000: km, kilometre, kilometres, kilometer, kilometers, 公里, 千米
m 0.3048: ft, foot, feet, foots, 英尺, 呎
m 0.0254: in, inch, inches, inchs, 英寸, 吋
m 0.9144: yd, yds, yard, yards, 码
m 1609.344: mile, miles, 英里
m {1 / 3}: 尺, 市尺
m {10 / 3}: 丈
m 500: 里
m {1 / 30}: 寸
step {STEP_M}: step, steps, pace, paces, stride, strides, side step, side steps, sidestep, sidesteps, 步, 侧步, 步子, 部
deg 1: degree, degrees, degs, deg, grade, grades, 度
deg {math.degrees(1)}: radian, radians, rad, rads, 弧度
deg 180: pi, 派
deg 90: right angle, right angles, 直角
turn 1: turn, turns, rotation, rotations, revolution, revolutions, rev, revs, circle, circles, pivot, pivots
turn 1: tour, tours, turnover, turnovers, whirl, whirls, 圈圈, 大圈
turn 1: loop, loops, lap, laps, spin, spins, twirl, twirls, 圈, 周, 圆圈, 圆, 整圈, 券, 全
s 1: s, sec, secs, second, seconds, 秒, 秒钟
s 60: min, mins, minute, minutes, 分钟
s 3600: hour, hours, hr, hrs, 小时, 钟头
times 1: iteration, iterations, cycle, cycles, ones
times 1: time, times, x, reps, rep, repetition, repetitions, rounds, round, 次, 遍, 回, 下, 趟, 轮, 组
""")

PLAIN_UNITS = frozenset(
    name
    for name, (kind, _) in UNITS.items()
    if kind in ("m", "deg", "s") and name not in _words("s foots") and name.endswith("s")
)
"""English units that are nothing else: with one of them an amount was said, understood or not ("NaN metres")."""
HAN_UNITS = _words("米 公尺 厘米 公分 步 度 圈 秒")
"""Chinese ones, of which that is sure only behind a foreign word or `MANY` ("x米", "好多米")."""
MANY = _words("好多 很多 许多 多少 若干")
POINTING = frozenset(["other", "another", "which", "wrong"])
"""Before a "one" that is no number: "no, the other one, turn right"."""
NO_AMOUNT = _words(
    "few some several couple the these those that this in by per of and or my your our his her their its on last first "
    "next to under with for"
)
"""Before a unit these name no amount, so that the default holds ("a few metres")."""
METRES = _words("metre metres meter meters m 米 公尺")
FEET = _words("foot feet ft")
STEPS = _words("step steps sidestep sidesteps 步")
"""Words that make a repetition one of a step ("step left two times")."""
WHOLE = {"right angle": ("deg", 90.0), "right angles": ("deg", 90.0), "pi": ("deg", 180.0), "直角": ("deg", 90.0)}
WHOLE |= {"半面": ("deg", 45.0), "pi radians": ("deg", 180.0)}
WHOLE |= {f"halfway {word}": ("deg", 180.0) for word in ("round", "around")}
"""Quantities that need no number."""


def _heads(names: Iterable[str]) -> frozenset[str]:
    """What the first token of each may be."""
    return frozenset(n[:k] for n in names for k in ([len(n.split(" ")[0])] if n.isascii() else range(1, len(n) + 1)))


UNIT_HEADS, WHOLE_HEADS = _heads(UNITS), _heads(WHOLE)
"""Most words are none, which saves the search for the longest name."""
FRACTIONS = {"half": 1 / 2, "halves": 1 / 2, "半": 1 / 2, "halfway": 1 / 2, "quarter": 1 / 4, "quarters": 1 / 4}
_ORDINALS = dict(enumerate(("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"), start=3))
_ORDINALS |= dict(enumerate(("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"), start=11))
_ORDINALS |= dict(enumerate(("seventeenth", "eighteenth", "nineteenth", "twentieth"), start=17))
_ORDINALS |= {30: "thirtieth", 40: "fortieth", 50: "fiftieth", 60: "sixtieth", 100: "hundredth", 1000: "thousandth"}
RARE_FRACTIONS = {name + plural: 1 / n for n, name in _ORDINALS.items() for plural in ("", "s")}
"""Also ordinals ("the third"): fractions only behind a number or an article, or before "of" and a unit."""
HALVED = _words("eighth sixteenth")
"""Said of a turn or a mile as "half" and "quarter" are."""
TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand")
"""Before an ordinal these make another of it: "a twenty fourth"."""
SHARES = FRACTIONS.keys() | RARE_FRACTIONS.keys()
ADVERBS = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
MULTIPLES = {"single": 1.0, "double": 2.0, "triple": 3.0, "quadruple": 4.0}
GROUPS = {"couple": 2.0, "pair": 2.0, "dozen": 12.0}
HOMOPHONES = {
    "to": 2.0,
    "too": 2.0,
    "for": 4.0,
    "凉": 2.0,
    "辆": 2.0,
    "tree": 3.0,
    "free": 3.0,
    "俩": 2.0,
    "量": 2.0,
    "仨": 3.0,
    "伴": 0.5,
}
"""What recognisers write for a number directly before a plural unit ("for feet", "凉米")."""

ARTICLES = _words("a an another 1 one")
ADJECTIVES = _words(
    "more good full complete whole entire big little tiny teeny small wee baby short long easy quick slow quickly "
    "slowly nice giant solid extra proper real clean separate side crab forward further single measly careful gentle "
    "large normal different 个 小 大 整 整整 完整 的 碎 多 来"
)
SIZES = _words("tiny teeny little small wee baby big giant")
"""A size makes an article superfluous: "tiny step left"."""
RANGES = _words("to or - ~ 到 至 或")
HEDGES = _words("maybe perhaps possibly even 可能 也许")
"""Between the joint of a range and its second number."""
ENDS = _words("please now good 吧 啊 呀 了 啦 哦") | {"", ","}
"""After a bare number these end what is said about it."""
NEGATORS = _words(
    "not dont never 不 别 甭 无 ratherthan insteadof stopat didntsay neversaid 不是 不用 不要 不必 无需 没说 没让 没叫"
)
"""Before a quantity these refuse it, articles and `CARRIERS` between them aside."""
ASKERS = _words("要不要 是不是 用不用")
"""Questions that end like a negator."""
CARRIERS = _words("a an the just only 转 走 退 满 整 只 个 光 够 往")
TELLING = _words("told asked said 说 讲 喊 叫 问")
"""Soon before a number of times these make it how often somebody said so: "I told you twice", "说了八遍了"."""
PASSING = _words("been was were")
"""Before a duration these make it one of the past."""
AVAILABLE = _words("in within got have had only another 有 剩 离 距 间")
"""Before a duration these make it one that passes by itself ("we have five minutes left", "还有两分钟")."""
PRONOUN_HINTS = _words(
    "the that this which what these other another a little small big tall first next last same no every each any some "
    "good nice wrong old new cool funny special"
)
DETERMINERS = _words("the that this a your")
"""Before "one" these make it a pronoun, and so does a determiner two words before it ("the back one")."""
LIMBS = _words("legs leg paws paw feet hands arms eyes ears 腿 脚 爪 手 蹄 肢 眼 耳")
"""What is numbered because the robot has it: "on two legs", "两只爪子"."""
MEASURES = _words(
    "个 只 段 支 曲 首 款 种 颗 连 不 同 响 续 的 大 小 快 慢 漂 亮 标 准 好 帅 气 酷 高 看 可 爱 完 美 花 式 接 着 次"
)
"""Between a Han number and the gesture it counts."""
NOT_AFTER = {
    "周": _words("年 围 末 边 身 岁"),
    "回": _words("应 来 去 头 家 答 音 事"),
    "下": _words("犬 巴 面 去 来 腰 蹲 午 次"),
    "全": frozenset(),
    "圆": _words("圈 形"),
}
"""What makes another word of a unit."""
NOT_BEFORE = {"周": _words("视 看 顾 望 察"), "回": _words("头 当 第"), "次": _words("头 第"), "下": _words("个")}
"""The same, before its number or, for 下, before the unit."""
VAGUE = _words("几 多 来 数 some odd")
IDIOMS = _words("组 点 下 些 起 直 边 定 会 样 切 共 般 路 只 个 哈 旦 向")
"""After 一 these make a word in which nothing is counted: "一下", "一点", "来一个"."""
AXES = _words("vx vy x y z yaw vyaw heading rotation")
"""Before a sign these make it a direction: "yaw minus 15"."""
TITLES = _words(
    "unit number stunt trick level room channel version mark gear robot dog class phase section scene camera gate "
    "table bay station ward stage flight floor aisle platform bed row lane house street route bus tram train track "
    "chapter page lesson act group team year grade court pitch hall studio block zone sector booth desk seat "
    "第 每 号 目 加 减"
)
NAMERS = TITLES | _words("go no take your my check 小 老 阿")
"""Words before a bare number that make it a name; a title does so before a thing too ("number one fan")."""
MARKERS = re.compile(r"\b(?:no|wait|sorry|actually|rather|i mean|make (?:it|that))\b|不|改|错|应该|还是|算了|就")
"""Between two numbers these make the second a correction of the first."""
GESTURE_NOUNS = _words(
    "stretch stretches stretching dance dances pose poses bow bows heart hearts roll rolls rolling rollovers "
    "curtsey curtseys curtsy curtsies tuck tucks "
    "wiggle wiggles jump jumps hop hops leap leaps bounces pounce pounces lunges flip flips backflip backflips "
    "frontflip frontflips somersault somersaults handstand handstands headstands spin spins twirl twirls wave "
    "waves fives cheers doughnut doughnuts donut donuts pirouette pirouettes shake shakes hugs circle circles lap "
    "laps turn turns rotation rotations revolution revolutions "
    "loop loops gesture gestures shimmies 揖 躬 鞠躬 头 跟头 跟斗 筋斗 滚 空翻 前空翻 后空翻 懒腰 姿势 心 爱心 舞 圈 "
    "倒立 造型 转"
)

LITTLE = re.compile(
    r"\ba (?:little|tiny|wee|teeny|small)? ?(?:bit|tad|touch|smidge|smidgen|hair|fraction|nudge|whisker|notch)\b"
    r"|\b(?:a little|slightly|marginally|(?:little|teeny|weeny) bit|bit more|little (?:bit|more))\b"
    r"|\bslight (?:left|right)\b"
    r"|\b(?:few|several|some) (?:(?:more|tiny|small|little) )?(?:(?:centi|milli)met(?:re|er)s|cms?|mms?|inch(?:es)?)\b"
    r"|[几数]个?(?:厘米|公分|毫米|英寸|寸)"
    r"|\b(?:back|forward|left|right) little$"
    r"|(?<![快慢])一(?:点|丢丢|丁点|些)|稍微|稍稍|略微|些许|(?<=[前后左右退进转移挪靠走去回缩边])(?:点|些)(?![钟点])"
)
"""Less than one would do by oneself; a speed word before 一点 makes it one of the speed."""

# Speed words; a later one wins over an earlier one. Before a gesture "quick" and 快 are impatience, not a speed.
BRISK = re.compile(r"\b(?:fast|faster|quickly|rapidly|swiftly|full speed)\b|快速|飞快|迅速|快快地")
NORMAL = re.compile(
    r"\b(?:normal|regular|usual|standard|default|medium)(?: \w+)? (?:speed|pace|rate)\b"
    r"|正常(?:的)?(?:速度|步速|速)|速度正常|常速|中速|普通速度|平常速度|不快不慢"
)
SLOW = re.compile(
    r"\b(?:slow(?! mo)|(?<!the )slow mo(?:tion)?|slowly|slower|low speed|gingerly|leisurely|unhurried(?:ly)?"
    r"|snails? pace|at a crawl)\b"
    r"|(?<![别])慢(?!动作|镜头|动)|缓缓|缓步|低速|徐徐|悠着|蜗牛|龟速"
    r"|\b(?:not|dont|dont go)(?: \w+)? (?:too|so) (?:fast|quick|quickly)\b"
    r"|(?:别|不要|不用)[走跑转动做跳]?(?:那么|太|这么)快"
)
FAST = re.compile(
    r"\b(?<!not )(?:fast|faster|quick(?! march)|quickly|quicker|brisk|briskly|rapid|rapidly|hurry|hustle|swiftly"
    r"|speedily|top speed|high speed|pronto"
    r"|full (?:speed|tilt|throttle|steam|pelt)|double time|on the double|at a (?:run|sprint))\b"
    r"|(?<![凉愉痛都])快(?![乐活看要递跟门照餐到贴没蹭撞碰])|一溜烟|急行军|飞速"
    r"|全速|高速|迅速|赶紧|赶忙|火速|麻溜|麻利|急速|加速|疾步"
    r"|\b(?:not|dont|dont go)(?: \w+)? (?:too|so) (?:slow|slowly)\b"
    r"|(?:别|不要|不用)[走跑转动做跳]?(?:那么|太|这么)慢"
)
