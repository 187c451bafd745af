"""Any number rendered in either language parses back."""

from __future__ import annotations

import math
import re

import pytest
from cn2an import an2cn, cn2an
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import constants

from shadow_intent import units
from shadow_intent.intent import NO_SLOTS
from shadow_intent.numbers import han_number, tokenize
from shadow_intent.slots import parse, read

ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
ONES = [*ENGLISH.split(), "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def english(n: int, joint: str = " and ") -> str:
    """0 <= n < 1,000,000 in words."""
    if n >= 1000:
        rest = n % 1000
        between = " " if rest >= 100 else joint
        return f"{english(n // 1000, joint)} thousand" + (between + english(rest, joint) if rest else "")
    if n >= 100:
        return f"{ONES[n // 100]} hundred" + (joint + english(n % 100) if n % 100 else "")
    return ONES[n] if n < 20 else TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")


tenths = st.integers(1, 10_000)
HAN = dict(zip("123456789", "一二三四五六七八九", strict=True)).__getitem__
TRADITIONAL = str.maketrans("两点万", "兩點萬")


def said(n: int) -> list[str]:
    """Whole n in Han numerals as cn2an writes them and as people say them."""
    written = an2cn(n)
    spoken = written.replace("二百", "两百").replace("二千", "两千").replace("二万", "两万")
    return list({written, written.removeprefix("一") if 10 <= n < 20 else written, spoken})


@given(tenths)
def test_digits_parse_back(n: int) -> None:
    value = n / 10
    for number in (f"{value}", f"{value:.1f}", f"{value:.2f}", f"{value:,.1f}"):
        for text in (f"go {number} metres", f"go {number}m forward", f"往前走{number}米", f"往前走 {number} 公尺"):
            assert parse(text, "move_forward").distance_m == pytest.approx(value)


@given(tenths)
def test_words_parse_back(n: int) -> None:
    whole, tenth = divmod(n, 10)
    point = f" point {ONES[tenth]}" if tenth else ""
    for joint in (" and ", " "):
        text = f"please turn {english(whole, joint)}{point} degrees to the left"
        assert parse(text, "turn_left").angle_deg == pytest.approx(n / 10)


@given(st.integers(0, 999_999))
def test_every_english_cardinal_is_one_number(n: int) -> None:
    for joint in (" and ", " "):
        assert [token.value for token in tokenize(english(n, joint))] == [n]


@given(tenths)
def test_han_numerals_parse_back(n: int) -> None:
    whole, tenth = divmod(n, 10)
    for number in said(whole):
        number += f"点{an2cn(tenth)}" if tenth else ""
        for text in (f"转{number}度", f"左转{number.translate(TRADITIONAL)}度吧"):
            assert parse(text, "turn_left").angle_deg == pytest.approx(n / 10)


@given(st.integers(0, 10**8 - 1))
def test_han_numerals_are_read_as_cn2an_reads_them(n: int) -> None:
    for number in said(n):
        assert han_number(number) == cn2an(number, "normal") == n


@given(st.text("零一二两三四五六七八九十百千万", max_size=6))
@example("十万零五")
def test_whatever_cn2an_takes_for_a_numeral_is_the_same_number_here(text: str) -> None:
    try:
        expected = cn2an(text, "strict")
    except ValueError:
        return
    assume(not re.search("零[十百千万]", text))  # cn2an reads "零百" as a hundred; people say 零一百
    assert han_number(text) == expected


@given(st.text("零一二两三十百千万亿点分之0123456789./ 半又几", max_size=12))
def test_any_mixture_of_digits_and_numerals_is_read_or_refused(text: str) -> None:
    read(f"左转百分之{text}", "turn_left")
    read(f"往前走{text}米", "move_forward")


def test_a_number_half_in_digits_is_no_number() -> None:
    assert read("左转百分之二十5", "turn_left")[0] == NO_SLOTS


@given(st.integers(1, 1000))
def test_counts_parse_back(n: int) -> None:
    for text in (f"jump {n} times", f"jump {english(n)} times", f"跳{n}次", *(f"跳{number}次" for number in said(n))):
        assert parse(text, "jump").count == n


@given(st.integers(1, 1000), st.integers(0, 9))
def test_numerals_cut_into_characters_parse_back(n: int, tenth: int) -> None:
    for number, value in ((an2cn(n), n), (f"{an2cn(n)}点{an2cn(tenth)}", n + tenth / 10)):
        assert parse(" ".join(f"往前走{number}厘米"), "move_forward").distance_m == pytest.approx(value / 100)


@given(st.integers(1, 999), st.sampled_from(["metre", "meters"]))
def test_halves_parse_back(n: int, unit: str) -> None:
    for text in (
        f"{english(n)} and a half {unit}",
        f"{english(n)} {unit} and a half",
        f"{an2cn(n)}米半",
        f"{n}½ {unit}",
    ):
        assert parse(text, "move_left").distance_m == pytest.approx(n + 0.5)


@given(st.integers(1, 9), st.sampled_from([3, 4, 5, 6, 8, 10]))
def test_fractions_parse_back(above: int, below: int) -> None:
    name = {3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}[below]
    texts = [f"{above}/{below} of a metre", f"{an2cn(below)}分之{an2cn(above)}米", f"{below}分之{above}公尺"]
    texts.append(f"{english(above)} {name}{'s' if above > 1 else ''} of a metre")
    for text in texts:
        assert parse(text, "move_left").distance_m == pytest.approx(above / below, abs=1e-3)


ORDINALS = ["third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
ORDINALS += [f"{ten}teenth" for ten in ("thir", "four", "fif", "six", "seven", "eigh", "nine")] + ["twentieth"]
"""Denominators from 3 on."""


@given(st.integers(1, 99), st.integers(3, 20), st.data())
def test_whole_numbers_with_any_fraction_parse_back(whole: int, below: int, data: st.DataObject) -> None:
    above = data.draw(st.integers(1, below - 1))
    name, n = ORDINALS[below - 3], english(whole)
    share = f"{'a' if above == 1 else english(above)} {name}{'s' if above > 1 else ''}"
    han = f"{an2cn(below)}分之{an2cn(above)}"
    texts = [f"{n} and {share} metres", f"{n} metres and {share}", f"{n} and {share.replace(' ', '-')} metres"]
    texts += [f"{an2cn(whole)}又{han}米", f"{an2cn(whole)}米{han}", f"{an2cn(whole)}米又{han}"]
    for text in texts:
        assert parse(text, "move_forward").distance_m == pytest.approx(whole + above / below, abs=1e-3), text


@given(st.integers(0, 99), st.text("0123456789", min_size=1, max_size=3))
def test_decimals_said_digit_by_digit_parse_back(whole: int, digits: str) -> None:
    value = float(f"{whole}.{digits}")
    assume(value >= 0.01)
    for zero, point in (("zero", "point"), ("oh", "point"), ("zero", "decimal"), ("zero", "dot")):
        spoken = " ".join(zero if d == "0" else ONES[int(d)] for d in digits)
        text = f"{english(whole)} {point} {spoken} metres"
        assert parse(text, "move_forward").distance_m == pytest.approx(value), text


@given(st.text("123456789", min_size=2, max_size=3))
def test_degrees_said_digit_by_digit_parse_back(digits: str) -> None:
    for text in (f"turn left {' '.join(ONES[int(d)] for d in digits)} degrees", f"左转{''.join(map(HAN, digits))}度"):
        slots, unclear = read(text, "turn_left")
        assert unclear is not None or slots.angle_deg == int(digits), text


@given(st.integers(1, 99), st.integers(1, 99), st.sampled_from(ORDINALS))
def test_odd_fractions_are_read_or_refused_and_never_cut_short(whole: int, above: int, name: str) -> None:
    below = ORDINALS.index(name) + 3
    for text in (f"{english(whole)} and {english(above)} {name}s metres", f"{english(above)} {name}s of a metre"):
        slots, unclear = read(text, "move_forward")
        exact = above / below + (0 if text.endswith("of a metre") else whole)
        assert unclear is not None or slots.distance_m == pytest.approx(exact, abs=1e-3), text


@given(st.integers(1, 99), st.integers(1, 99))
def test_mixed_units_parse_back(whole: int, rest: int) -> None:
    metres = whole + rest / 100
    for text in (f"{english(whole)} metres {english(rest)} centimetres", f"{an2cn(whole)}米{an2cn(rest)}厘米"):
        assert parse(text, "move_forward").distance_m == pytest.approx(metres)
    feet = whole * constants.foot + rest % 12 * constants.inch
    if rest % 12:
        assert parse(f"{whole} feet {rest % 12} inches", "move_forward").distance_m == pytest.approx(feet)
        assert parse(f"{whole}' {rest % 12}\"", "move_forward").distance_m == pytest.approx(feet)


@given(st.integers(1, 99))
def test_steps_parse_back(n: int) -> None:
    for text in (f"{english(n)} steps", f"{n} paces", f"{n} more big steps", f"{an2cn(n)}步", f"走{n}小步"):
        assert parse(text, "move_forward").distance_m == pytest.approx(n * units.STEP_M)


@given(st.integers(1, 98), st.integers(1, 20), st.sampled_from(["metres", "steps", "cm", "seconds"]))
def test_every_range_is_unclear(low: int, more: int, unit: str) -> None:
    high = low + more
    han = {"metres": "米", "steps": "步", "cm": "厘米", "seconds": "秒"}[unit]
    texts = [f"{english(low)} to {english(high)} {unit}", f"{low}-{high} {unit}", f"{low} or {high} {unit}"]
    texts += [f"{an2cn(low)}到{an2cn(high)}{han}", f"{low}~{high}{han}", f"{an2cn(low)}{han}到{an2cn(high)}{han}"]
    for text in texts:
        slots, unclear = read(f"walk {text}", "move_forward")
        assert unclear is not None and unclear.values["high"] == str(high), text
        assert slots == NO_SLOTS


def test_units_are_those_of_the_standards() -> None:
    metres = {"foot": constants.foot, "inch": constants.inch, "yard": constants.yard, "mile": constants.mile}
    metres |= {"km": constants.kilo, "cm": constants.centi, "英尺": constants.foot, "公里": constants.kilo}
    for unit, value in metres.items():
        assert units.UNITS[unit] == ("m", pytest.approx(value))
    assert math.radians(units.UNITS["degree"][1]) == pytest.approx(constants.degree)
    assert math.radians(units.UNITS["radian"][1]) == pytest.approx(1.0)
    assert units.UNITS["minute"] == ("s", constants.minute)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("walk forward 0 . 5 metres", 0.5),
        ("walk forward 1 .5 metres", 1.5),
        ("walk forward 1. 5 metres", 1.5),
        ("walk forward 1 , 5 m", 1.5),
        ("walk forward 3 point 5 metres", 3.5),
        ("walk forward three point 5 metres", 3.5),
        ("walk forward zero comma five metres", 0.5),
        ("walk forward 1 comma 5 metres", 1.5),
        ("往前走0。5米", 0.5),
        ("往前走 1 。 5 米", 1.5),
        ("往前走 0 点 5 米", 0.5),
        ("往前走零点5米", 0.5),
        ("往前走0点五米", 0.5),
        ("walk forward 30 c m", 0.3),
        ("walk forward 5 c.m.", 0.05),
        ("walk forward 50 c.m", 0.5),
        ("walk forward 2m50", 2.5),
        ("walk forward 3ft6", 42 * constants.inch),
        ("walk forward 2 and a half m", 2.5),
    ],
)
def test_numbers_and_units_that_were_written_apart_or_together(text: str, metres: float) -> None:
    assert parse(text, "move_forward").distance_m == pytest.approx(metres)


@given(
    st.integers(0, 99), st.integers(1, 99), st.sampled_from(["twenty point {1} metres", "{0} {1} metres", "{0} {1}米"])
)
def test_a_number_behind_another_one_is_no_amount(first: int, second: int, pattern: str) -> None:
    said, unclear = read("go forward " + pattern.format(first, second), "move_forward")
    assert unclear is not None and said == NO_SLOTS


@pytest.mark.parametrize(
    "text",
    [
        "walk forward point 5 metres",
        "walk forward dot 5 metres",
        "walk forward naught point 5 metres",
        "往前走点五米",
        "turn left point 5 radians",
    ],
)
def test_a_point_without_a_number_before_it_is_no_amount(text: str) -> None:
    said, unclear = read(text, "turn_left" if "turn" in text else "move_forward")
    assert unclear is not None and said == NO_SLOTS


@pytest.mark.parametrize("amount", ["a few centimetres", "several inches", "some cm", "几厘米", "几公分"])
def test_few_of_a_small_unit_are_a_little(amount: str) -> None:
    said, unclear = read(f"walk forward {amount}" if amount.isascii() else f"往前走{amount}", "move_forward")
    assert said.little and not said.as_dict() and unclear is None
