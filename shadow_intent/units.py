"""The words around a number: units, fractions, corrections and speeds. Data for `quantities` and `slots`."""

from __future__ import annotations

import math
import re

STEP_M = 0.3
"""Metres of one step, in either language (annotation guide)."""

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
m {1 / 30}: 寸
step {STEP_M}: step, steps, pace, paces, stride, strides, side step, side steps, sidestep, sidesteps, 步, 步子, 部
deg 1: degree, degrees, degs, deg, grade, grades, 度
deg {math.degrees(1)}: radian, radians, rad, rads, 弧度
deg 180: pi, 派
deg 90: right angle, right angles, 直角
turn 1: turn, turns, rotation, rotations, revolution, revolutions, rev, revs, circle, circles, pivot, pivots
turn 1: loop, loops, lap, laps, spin, spins, twirl, twirls, 圈, 周, 圆圈, 圆, 整圈, 券, 全
s 1: s, sec, secs, second, seconds, 秒, 秒钟
s 60: min, mins, minute, minutes, 分钟, 分
s 3600: hour, hours, hr, hrs, 小时, 钟头
times 1: time, times, x, reps, rep, repetition, repetitions, rounds, round, 次, 遍, 回, 下, 趟, 轮, 组
""")

WHOLE = {"right angle": ("deg", 90.0), "right angles": ("deg", 90.0), "pi": ("deg", 180.0), "直角": ("deg", 90.0)}
"""Quantities that need no number."""
FRACTIONS = {"half": 1 / 2, "halves": 1 / 2, "半": 1 / 2, "halfway": 1 / 2, "quarter": 1 / 4, "quarters": 1 / 4}
RARE_FRACTIONS = {"third": 1 / 3, "thirds": 1 / 3, "fifth": 1 / 5, "fifths": 1 / 5, "sixth": 1 / 6, "sixths": 1 / 6}
RARE_FRACTIONS |= {"eighth": 1 / 8, "eighths": 1 / 8, "tenth": 1 / 10, "tenths": 1 / 10}
"""Also ordinals ("the third"): only "a third of" is a fraction."""
ADVERBS = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
MULTIPLES = {"double": 2.0, "triple": 3.0, "quadruple": 4.0}
GROUPS = {"couple": 2.0, "pair": 2.0, "dozen": 12.0}
HOMOPHONES = {"to": 2.0, "too": 2.0, "for": 4.0, "凉": 2.0, "辆": 2.0, "俩": 2.0, "量": 2.0, "仨": 3.0, "伴": 0.5}
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
VAGUE = _words("几 多 来 数 some odd")
IDIOMS = _words("组 点 下 些 起 直 边 定 会 样 切 共 般 路 只 个 哈 旦 向")
"""After 一 these make a word in which nothing is counted: "一下", "一点", "来一个"."""
AXES = _words("vx vy x y z yaw vyaw heading rotation")
"""Before a sign these make it a direction: "yaw minus 15"."""
NAMERS = _words("go unit number level no room channel take version mark gear 第 每 号")
"""Words before a bare number that make it a name."""
MARKERS = re.compile(r"\b(?:no|wait|sorry|actually|rather|i mean|make (?:it|that))\b|不|改|错|应该|还是|算了|就")
"""Between two numbers these make the second a correction of the first."""
GESTURE_NOUNS = _words(
    "stretch stretches stretching dance dances pose poses bow bows heart hearts roll rolls rolling rollovers "
    "wiggle wiggles jump jumps hop hops leap leaps bounces pounce pounces lunges flip flips backflip backflips "
    "frontflip frontflips somersault somersaults handstand handstands headstands spin spins twirl twirls wave "
    "waves fives shake shakes hugs circle circles lap laps turn turns rotation rotations revolution revolutions "
    "loop loops gesture gestures shimmies 揖 躬 头 跟头 跟斗 筋斗 滚 空翻 前空翻 后空翻 懒腰 姿势 心 爱心 舞 圈 "
    "倒立 造型 转"
)

# Speed words; a later one wins over an earlier one. Before a gesture "quick" and 快 are impatience, not a speed.
BRISK = re.compile(r"\b(?:fast|faster|quickly|rapidly|swiftly|full speed)\b|快速|飞快|迅速|快快地")
NORMAL = re.compile(
    r"\b(?:normal|regular|usual|standard|default|medium)(?: \w+)? (?:speed|pace|rate)\b"
    r"|正常(?:的)?(?:速度|步速|速)|常速|匀速|中速|普通速度|平常速度|不快不慢"
)
SLOW = re.compile(
    r"\b(?:slow|slowly|slower|low speed|gingerly|leisurely|unhurried(?:ly)?|snails? pace)\b"
    r"|慢|缓缓|缓步|低速|徐徐|蜗牛"
    r"|\b(?:not|dont|dont go)(?: \w+)? (?:too|so) (?:fast|quick|quickly)\b|(?:别|不要|不用)(?:那么|太|这么)快"
)
FAST = re.compile(
    r"\b(?:fast|faster|quick|quickly|quicker|rapid|rapidly|hurry|hustle|swiftly|speedily|top speed|high speed|pronto"
    r"|full (?:speed|tilt|throttle|steam|pelt)|double time|on the double|at a (?:run|sprint))\b"
    r"|(?<![凉愉痛])快(?![乐活看要递跟])|飞速|全速|高速|迅速|赶紧|赶忙|火速|麻溜|麻利|急速|加速|疾步"
    r"|\b(?:not|dont|dont go)(?: \w+)? (?:too|so) (?:slow|slowly)\b|(?:别|不要)(?:那么|太|这么)慢"
)
