"""What quantities are read from an utterance, and which label may carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent import units
from shadow_intent.intent import NO_SLOTS, SPEEDS
from shadow_intent.numbers import tokenize
from shadow_intent.slots import parse, read

MOVE = [
    ("go forward two metres", {"distance_m": 2}),
    ("go forward 2 m", {"distance_m": 2}),
    ("3m", {"distance_m": 3}),
    ("2-metre walk", {"distance_m": 2}),
    ("walk 1.5 meters", {"distance_m": 1.5}),
    ("walk two and a half metres", {"distance_m": 2.5}),
    ("a metre and a half", {"distance_m": 1.5}),
    ("for a second and a half", {"duration_s": 1.5}),
    ("for a second, half a metre", {"distance_m": 0.5}),
    ("for one second and half a metre", {"distance_m": 0.5, "duration_s": 1}),
    ("one and three quarters metres", {"distance_m": 1.75}),
    ("half a metre", {"distance_m": 0.5}),
    ("half metre", {"distance_m": 0.5}),
    ("½ m", {"distance_m": 0.5}),
    ("2½ metres", {"distance_m": 2.5}),
    ("3/4 metre", {"distance_m": 0.75}),
    ("three quarters of a metre", {"distance_m": 0.75}),
    ("a quarter of a meter", {"distance_m": 0.25}),
    ("two point oh five metres", {"distance_m": 2.05}),
    ("twenty-five centimetres", {"distance_m": 0.25}),
    ("walk 2,5 metres", {"distance_m": 2.5}),
    ("walk 2.5e-1 metres", {"distance_m": 0.25}),
    ("walk 1e0 metres", {"distance_m": 1}),
    ("blorp metres, I mean two metres", {"distance_m": 2}),
    ("to infinity, no, two metres", {"distance_m": 2}),
    ("a few more metres", {}),
    ("some metres to the front", {}),
    ("one hundred and twenty cm", {"distance_m": 1.2}),
    ("1,500 mm", {"distance_m": 1.5}),
    ("ten feet", {"distance_m": 3.048}),
    ("six feet two inches", {"distance_m": 1.8796}),
    ("a yard", {"distance_m": 0.9144}),
    ("6 inches", {"distance_m": 0.1524}),
    ("5' 6\"", {"distance_m": 1.6764}),
    ("two steps", {"distance_m": 0.6}),
    ("one more step", {"distance_m": 0.3}),
    ("half a dozen steps", {"distance_m": 1.8}),
    ("five or so steps", {"distance_m": 1.5}),
    ("go forward 1 1/2 metres", {"distance_m": 1.5}),
    ("2 1/2 feet", {"distance_m": 0.762}),
    ("1-1/2 metres", {"distance_m": 1.5}),
    ("five foot six", {"distance_m": 1.6764}),
    ("2 m 50", {"distance_m": 2.5}),
    ("往前走一米五十", {"distance_m": 1.5}),
    ("2米50", {"distance_m": 2.5}),
    ("走2米5", {"distance_m": 2.5}),
    ("走2米3次", {"distance_m": 2}),
    ("three fourths of a metre", {"distance_m": 0.75}),
    ("five sixteenths of a metre", {"distance_m": 0.3125}),
    ("a ninth of a metre", {"distance_m": 1 / 9}),
    ("往前走两丈", {"distance_m": 20 / 3}),
    ("a couple of steps", {"distance_m": 0.6}),
    ("step back one", {"distance_m": 0.3}),
    ("step left two times", {"distance_m": 0.6}),
    ("walk for feet", {"distance_m": 1.2192}),
    ("walk for five seconds", {"duration_s": 5}),
    ("walk half a minute", {"duration_s": 30}),
    ("walk forward fast", {"speed": "fast"}),
    ("nice and slowly, two metres", {"distance_m": 2, "speed": "slow"}),
    ("not too fast", {"speed": "slow"}),
    ("at normal speed for three metres", {"distance_m": 3, "speed": "normal"}),
    ("two metres, no, three metres", {"distance_m": 3}),
    ("two metres, no, make that one", {"distance_m": 1}),
    ("three metres, not two metres", {"distance_m": 3}),
    ("vx negative one metre", {"distance_m": 1}),
    ("往前走两米", {"distance_m": 2}),
    ("往前走两米半", {"distance_m": 2.5}),
    ("往左平移一半米", {"distance_m": 0.5}),
    ("come forward to aisle three", {}),
    ("往前走两步 不 三步", {"distance_m": 0.9}),
    ("往前走五米，不不，三米", {"distance_m": 3}),
    ("往前走一点 三米", {"distance_m": 3}),
    ("走两步不是三步", {"distance_m": 0.6}),
    ("一米五", {"distance_m": 1.5}),
    ("两米二五", {"distance_m": 2.25}),
    ("一米零五", {"distance_m": 1.05}),
    ("三点五米", {"distance_m": 3.5}),
    ("3.5米", {"distance_m": 3.5}),
    ("三點五公尺", {"distance_m": 3.5}),
    ("半米", {"distance_m": 0.5}),
    ("一又二分之一米", {"distance_m": 1.5}),
    ("四分之一米", {"distance_m": 0.25}),
    ("二十公分", {"distance_m": 0.2}),
    ("一米五十公分", {"distance_m": 1.5}),
    ("六英尺", {"distance_m": 1.8288}),
    ("退三尺", {"distance_m": 1}),
    ("两步", {"distance_m": 0.6}),
    ("一步半", {"distance_m": 0.45}),
    ("迈两大步", {"distance_m": 0.6}),
    ("走一米转90度", {"distance_m": 1}),
    ("走五秒", {"duration_s": 5}),
    ("走一分半钟", {"duration_s": 90}),
    ("走一分三十秒", {"duration_s": 90}),
    ("快点往前走", {"speed": "fast"}),
    ("慢慢往前走两步", {"distance_m": 0.6, "speed": "slow"}),
    ("别走太快", {"speed": "slow"}),
    ("别走太慢", {"speed": "fast"}),
    ("walk forward, not too slow", {"speed": "fast"}),
    ("forward one metre fifty at normal speed", {"distance_m": 1.5, "speed": "normal"}),
    ("three metres, I didn't say two metres", {"distance_m": 3}),
    ("at a crawl, half a metre", {"distance_m": 0.5, "speed": "slow"}),
    ("三个侧步", {"distance_m": 0.9}),
    ("1 2 3 步", {"distance_m": 0.9}),
    ("别太快", {"speed": "slow"}),
    ("往前一米，不，两米", {"distance_m": 2}),
    ("不是两步是三步", {"distance_m": 0.9}),
    ("two fairy steps forward", {"distance_m": 0.6}),
    ("back, two", {"distance_m": 0.6}),
    ("side step left, one, two, three, four", {"distance_m": 1.2}),
    ("forward 2 hundred millimetres", {"distance_m": 0.2}),
    ("point five of a metre", {"distance_m": 0.5}),
    ("robot one, forward, five seconds", {"duration_s": 5}),
    ("I said forward, not faster", {}),
    ("ease backwards, there's a step in front of you", {}),
    ("one foot in front of the other", {}),
    ("scuttle right like a crab in a bucket", {}),
    ("not a turn, a sidestep", {"distance_m": 0.3}),
    ("walk tree meters ahead", {"distance_m": 3}),
    ("walk forwards two me metres", {"distance_m": 2}),
    ("two meters fifty", {"distance_m": 2.5}),
    ("step to your right two small ones", {"distance_m": 0.6}),
    ("往前走 但是头不转 半米", {"distance_m": 0.5}),
    ("go forward a bit", {}),
    ("走十步往前，一步都不能少", {"distance_m": 3}),
    ("你鼻子都快贴电视上了，往后退一米", {"distance_m": 1}),
    ("往左移四十厘米就能对上二维码了", {"distance_m": 0.4}),
    ("走一分三十秒", {"duration_s": 90}),
    ("我考了一百分，往前走", {}),
]

TURN = [
    ("a full turn left", {"angle_deg": 360}),
    ("左转整圈", {"angle_deg": 360}),
    ("I don't want a full spin, just a left turn", {}),
    ("turn left ninety degrees", {"angle_deg": 90}),
    ("turn left ninety", {"angle_deg": 90}),
    ("turn 45°", {"angle_deg": 45}),
    ("half a turn left", {"angle_deg": 180}),
    ("quarter turn", {"angle_deg": 90}),
    ("a third of a turn", {"angle_deg": 120}),
    ("three quarters of a turn", {"angle_deg": 270}),
    ("one eighty", {"angle_deg": 180}),
    ("one oh five degrees", {"angle_deg": 105}),
    ("a hundred and eighty degrees", {"angle_deg": 180}),
    ("turn left by a right angle", {"angle_deg": 90}),
    ("yaw minus 15", {"angle_deg": 15}),
    ("yaw half pi", {"angle_deg": 90}),
    ("rotate right pi over two", {"angle_deg": 90}),
    ("turn left two pi over three radians", {"angle_deg": 120}),
    ("turn left pi divided by four", {"angle_deg": 45}),
    ("左转二分之派弧度", {"angle_deg": 90}),
    ("向右转派除以四弧度", {"angle_deg": 45}),
    ("左转 3π/4", {"angle_deg": 135}),
    ("右转 π/6", {"angle_deg": 30}),
    ("a right angle and a half", {"angle_deg": 135}),
    ("turn left one eight zero", {"angle_deg": 180}),
    ("heading zero nine zero", {"angle_deg": 90}),
    ("朝一点钟方向转", {"angle_deg": 330}),
    ("悠着点左转", {"speed": "slow"}),
    ("turn left 60, no, make it 90", {"angle_deg": 90}),
    ("not a full circle, just a quarter turn", {"angle_deg": 90}),
    ("your nine o'clock", {"angle_deg": 90}),
    ("turn left for two seconds", {"duration_s": 2}),
    ("quickly turn left", {"speed": "fast"}),
    ("左转九十度", {"angle_deg": 90}),
    ("左转一百八", {"angle_deg": 180}),
    ("左转一八零度", {"angle_deg": 180}),
    ("左转半圈", {"angle_deg": 180}),
    ("左转一圈半", {"angle_deg": 540}),
    ("左转三十度 不 六十", {"angle_deg": 60}),
    ("左转 1 5 度", {"angle_deg": 15}),
    ("yaw pi radians", {"angle_deg": 180}),
    ("briskly, sixty degrees", {"angle_deg": 60, "speed": "fast"}),
    ("從左邊掉個頭", {"angle_deg": 180}),
    ("别转那么快，往左九十度", {"angle_deg": 90, "speed": "slow"}),
    ("左转四分之一圈", {"angle_deg": 90}),
    ("转个直角", {"angle_deg": 90}),
    ("左转一点点", {}),
    ("转一转", {}),
    ("慢点左转30度", {"angle_deg": 30, "speed": "slow"}),
    ("turn left nine tea degrees", {"angle_deg": 90}),
    ("turn left for tea five degrees", {"angle_deg": 45}),
    ("turn right forty fife degrees", {"angle_deg": 45}),
    ("three zero degrees left", {"angle_deg": 30}),
    ("one 80", {"angle_deg": 180}),
    ("do a one eighty turn", {"angle_deg": 180}),
    ("an eighth of a turn left", {"angle_deg": 45}),
    ("turn left an eighth turn", {"angle_deg": 45}),
    ("do the eighth turn to the left", {}),
    ("a third turn to the left", {}),
    ("turn halfway round to your left", {"angle_deg": 180}),
    ("not halfway around, a quarter turn", {"angle_deg": 90}),
    ("not a half turn, a quarter turn", {"angle_deg": 90}),
    ("check your six", {}),
    ("turn for a second", {}),
    ("左转九时度", {"angle_deg": 90}),
    ("左转 嗯 左转四十 五度", {"angle_deg": 45}),
    ("半面向左转", {"angle_deg": 45}),
    ("往左边掉个头", {"angle_deg": 180}),
    ("不用转一圈，左转就行", {}),
    ("左转，镜头里只有你半张脸", {}),
    ("麻烦左转，谢谢小七", {}),
    ("向左转，一二", {}),
    ("要不要左转一圈", {"angle_deg": 360}),
]

SPIN = [
    ("spin twice", {"count": 2}),
    ("three full turns", {"count": 3}),
    ("do a 360", {"count": 1}),
    ("720 degrees", {"count": 2}),
    ("a full circle", {"count": 1}),
    ("a dozen spins", {"count": 12}),
    ("spin three", {"count": 3}),
    ("spin for ten seconds", {"duration_s": 10}),
    ("one and a half turns", {"angle_deg": 540}),
    ("a turn and a half", {"angle_deg": 540}),
    ("bust out two 360s", {"count": 2}),
    ("do a 360 spin", {"count": 1}),
    ("not a half turn, a full one", {"count": 1}),
    ("round and round until you've done three of them", {"count": 3}),
    ("转两圈", {"count": 2}),
    ("兩圈", {"count": 2}),
    ("转两圈半", {"angle_deg": 900}),
    ("转一半圈", {"angle_deg": 180}),
    ("spin around for the kids on ward six", {}),
    ("转两权", {"count": 2}),
    ("转以圈", {"count": 1}),
    ("原地转一圈扫视四周", {"count": 1}),
    ("慢慢转三圈", {"count": 3, "speed": "slow"}),
    ("spin 一下", {}),
]

GESTURE = [
    ("jump twice", {"count": 2}),
    ("do three backflips", {"count": 3}),
    ("give me two high fives", {"count": 2}),
    ("high five, no, shake hands", {}),
    ("do a double front flip", {"count": 2}),
    ("one two three jump", {}),
    ("one, two, three, jump", {}),
    ("three, two, one, jump", {}),
    ("three, two, one, go, two jumps", {"count": 2}),
    ("two curtseys", {"count": 2}),
    ("for once jump", {}),
    ("quick, jump", {}),
    ("jump for half a minute", {"duration_s": 30}),
    ("dance slowly", {"speed": "slow"}),
    ("跳三下", {"count": 3}),
    ("跳一下", {}),
    ("来一个", {}),
    ("再来一次", {"count": 1}),
    ("作三个揖", {"count": 3}),
    ("拜三拜", {"count": 3}),
    ("快跳", {}),
    ("跳个一分钟", {"duration_s": 60}),
    ("a front flip for each twin, so two", {"count": 2}),
    ("single jump", {"count": 1}),
    ("explosive jump one", {"count": 1}),
    ("stunt three, the jump", {}),
    ("规定动作三 倒立", {}),
    ("定一个s型造型", {}),
    ("do one of those jumps", {}),
    ("not the front one, do the jump", {}),
    ("show class three your jump", {}),
    ("we have five minutes left, jump", {}),
    ("jump on two legs", {}),
    ("俩后空翻", {"count": 2}),
    ("三鞠躬", {"count": 3}),
    ("我都说了八遍了，是后空翻", {}),
    ("I told you three times, jump", {}),
    ("jump, I said twice", {"count": 2}),
    ("摆两个帅气的姿势", {"count": 2}),
    ("两只爪子画爱心", {}),
    ("来一个下犬式", {}),
    ("四脚朝天打滚", {}),
    ("三二一，跳", {}),
    ("拍慢动作，跳", {}),
]

ENDLESS = "I can't do that without an end. Please say a number."
UNCLEAR = [
    ("walk two to three metres", "2 to 3 metres is a range. Please say one number."),
    ("walk 2-3 metres", "2 to 3 metres is a range. Please say one number."),
    ("between two and three metres", "2 to 3 metres is a range. Please say one number."),
    ("two or maybe three steps", "2 to 3 steps is a range. Please say one number."),
    ("two metres to three metres", "2 to 3 metres is a range. Please say one number."),
    ("come here a foot or two forward", "1 to 2 foot is a range. Please say one number."),
    ("back a step or two", "1 to 2 step is a range. Please say one number."),
    ("往前走两三步", "2 to 3步 is a range. Please say one number."),
    ("两到三米", "2 to 3米 is a range. Please say one number."),
    ("2~3米", "2 to 3米 is a range. Please say one number."),
    ("七八十厘米", "70 to 80厘米 is a range. Please say one number."),
    ("十几步", "Please say a definite number."),
    ("几十米", "Please say a definite number."),
    ("a hundred odd metres", "Please say a definite number."),
    ("walk forward a hundred", "Please say a definite number."),
    ("forward two point five", "Please say a definite number."),
    ("往前走五十", "Please say a definite number."),
    ("往前走两半米", "Please say a definite number."),
    ("往前走三里", "I can't do 3里."),
    ("minus five metres", "I can't do -5 metres."),
    ("zero metres", "I can't do 0 metres."),
    ("负五米", "I can't do -5米."),
    ("walk 5000 metres", "I can't do 5000 metres."),
    ("walk 1e308 metres", "I can't do 1e+308 metres."),
    ("walk 5e-324 metres", "I can't do 4.94066e-324 metres."),
    ("walk 1e400 metres", ENDLESS),
    ("walk infinity metres", ENDLESS),
    ("go forward inf metres", ENDLESS),
    ("to infinity, straight ahead", ENDLESS),
    ("walk forward forever", ENDLESS),
    ("walk for infinite seconds", ENDLESS),
    ("two metres, no, infinity", ENDLESS),
    ("走无限远", ENDLESS),
    ("往前走无穷米", ENDLESS),
    ("永远往前走", ENDLESS),
    ("walk ∞ metres", ENDLESS),
    ("walk NaN metres", "Please say a definite number."),
    ("walk blorp metres", "Please say a definite number."),
    ("walk 0x10 metres", "Please say a definite number."),
    ("walk 1.2.3 metres", "Please say a definite number."),
    ("two metres, no, blorp metres", "Please say a definite number."),
    ("go forward metres", "Please say a definite number."),
    ("walk for umpteen seconds", "Please say a definite number."),
    ("走nan米", "Please say a definite number."),
    ("往前走好多米", "Please say a definite number."),
    ("走上万米", "Please say a definite number."),
    ("1/0 m", "Please say a definite number."),
]

UNMEANT = [
    "zero metres",
    "0 m",
    "-5 m",
    "minus five metres",
    "负五米",
    "走-5米",
    "nan metres",
    "inf metres",
    "1e9 metres",
    "walk 5000 metres",
    "9" * 500 + " m",
    "二零" * 200 + "米",
    "1/0 m",
    "零分之一米",
    "two to three metres",
    "2-3 metres",
    "2~3米",
    "one or two steps",
    "between two and three metres",
    "两三步",
    "两到三米",
    "几步",
    "十几步",
    "几十米",
    "百米冲刺",
    "a few steps",
    "one step at a time",
    "一步一步走",
    "第二步",
    "one metre per second",
    "每秒一米",
    "wait a second",
    "going at a slow-ish gait",
    "go 2, forward",
    "unit one, forward",
    "go forward",
    "",
]


@pytest.mark.parametrize(("text", "slots"), MOVE)
def test_moves_carry_distance_duration_and_speed(text: str, slots: dict[str, object]) -> None:
    assert parse(text, "move_forward").as_dict() == pytest.approx(slots)


@pytest.mark.parametrize(("text", "slots"), TURN)
def test_turns_carry_angle_duration_and_speed(text: str, slots: dict[str, object]) -> None:
    assert parse(text, "turn_left").as_dict() == pytest.approx(slots)


@pytest.mark.parametrize(("text", "slots"), SPIN)
def test_spins_carry_whole_turns(text: str, slots: dict[str, object]) -> None:
    assert parse(text, "spin").as_dict() == slots


@pytest.mark.parametrize(("text", "slots"), GESTURE)
def test_gestures_carry_counts_and_durations(text: str, slots: dict[str, object]) -> None:
    assert parse(text, "jump").as_dict() == slots


@pytest.mark.parametrize("text", UNMEANT)
def test_what_cannot_be_meant_leaves_the_slot_absent(text: str) -> None:
    slots = parse(text, "move_forward")
    assert (slots.distance_m, slots.angle_deg, slots.duration_s, slots.count) == (None, None, None, None)


@pytest.mark.parametrize(("text", "reason"), UNCLEAR)
def test_what_cannot_be_carried_out_as_said_is_unclear_and_never_guessed(text: str, reason: str) -> None:
    slots, unclear = read(text, "move_forward")
    assert unclear is not None and unclear.text("en") == reason
    assert slots.distance_m is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("turn left infinity degrees", "turn_left"),
        ("turn left NaN degrees", "turn_left"),
        ("左转无限度", "turn_left"),
        ("左转x度", "turn_left"),
        ("turn right forever", "turn_right"),
        ("spin infinity times", "spin"),
        ("spin forever", "spin"),
        ("转无数圈", "spin"),
        ("jump infinity times", "jump"),
    ],
)
def test_nor_is_an_angle_or_a_count(text: str, label: str) -> None:
    slots, unclear = read(text, label)
    assert unclear is not None and slots == NO_SLOTS


def test_the_speaker_hears_it_in_their_language() -> None:
    assert read("左转三十到四十度", "turn_left")[1].text("zh") == "30到40度是一个范围，请说一个数。"  # type: ignore[union-attr]
    assert read("turn left thirty to forty", "turn_left")[1] is not None
    assert read("jump two or three times", "jump")[1] is not None
    assert read("jump one and a half times", "jump")[1] is not None


@pytest.mark.parametrize(
    "text", ["go forward a bit", "a few steps", "几步", "往前走一点", "two metres", "turn to the left", "from two", ""]
)
def test_a_bit_and_a_few_are_the_default_and_nothing_to_ask_about(text: str) -> None:
    assert read(text, "move_forward")[1] is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("back up a bit", "move_backward"),
        ("a little to the left", "move_left"),
        ("slightly right", "turn_right"),
        ("forward little bit more", "move_forward"),
        ("稍微往左转", "turn_left"),
        ("往前一点", "move_forward"),
        ("往后退点儿", "move_backward"),
    ],
)
def test_a_bit_is_less_than_the_default(text: str, label: str) -> None:
    slots = parse(text, label)
    assert slots.little and slots.as_dict() == {}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("back up", "move_backward"),
        ("you're a bit off, turn five degrees left", "turn_left"),
        ("快一点往前走", "move_forward"),
        ("慢一点左转", "turn_left"),
        ("往前走三点五米", "move_forward"),
        ("turn round a bit", "turn_around"),
        ("dance a bit", "dance"),
    ],
)
def test_a_bit_of_something_else_is_not(text: str, label: str) -> None:
    assert not parse(text, label).little


@pytest.mark.parametrize(
    "label", ["stop", "damp", "sit", "stand_up", "light_on", "remote", "ignore", "affirm", "no such"]
)
def test_other_labels_carry_nothing(label: str) -> None:
    assert parse("two metres ninety degrees fast three times for ten seconds", label) == NO_SLOTS


def test_each_label_carries_only_its_own_slots() -> None:
    text = "two metres ninety degrees quickly three times for ten seconds"
    assert set(parse(text, "move_left").as_dict()) == {"distance_m", "duration_s", "speed"}
    assert set(parse(text, "turn_right").as_dict()) == {"angle_deg", "duration_s", "speed"}
    assert set(parse(text, "dance").as_dict()) == {"count", "duration_s", "speed"}
    assert set(parse(text, "speed_up").as_dict()) == {"duration_s"}
    assert parse("back to normal speed", "slow_down") == NO_SLOTS


LABELS = ["move_forward", "turn_left", "turn_around", "spin", "speed_up", "jump", "walk_upright", "sit"]
FRAGMENTS = """
two half and a of the - / . , ' " ½ 3 0 1e9 hundred thousand point oh metres steps degrees times turn seconds no not
between to or dozen couple 一 两 半 十 百 万 点 分之 米 步 度 圈 秒 个 零 几 负 不 快 慢 um
"""


def test_a_one_that_points_is_no_number() -> None:
    assert parse("left no the other one turn right", "turn_right") == NO_SLOTS
    assert parse("turn right one turn", "turn_right").as_dict() == {"angle_deg": 360}


@given(st.text(), st.sampled_from(LABELS))
def test_any_text_gives_slots(text: str, label: str) -> None:
    assert parse(text, label).speed in (None, *SPEEDS)


@given(st.lists(st.sampled_from(FRAGMENTS.split()), max_size=30), st.sampled_from(["", " "]), st.sampled_from(LABELS))
def test_any_heap_of_number_words_gives_slots(words: list[str], space: str, label: str) -> None:
    assert parse(space.join(words), label).speed in (None, *SPEEDS)


WAYS = {"metres": 1.0, "centimetres": 0.01, "米": 1.0, "厘米": 0.01}


@given(
    st.one_of(st.floats().map(repr), st.floats(0.0, 9.0).map(lambda v: f"{v:.3f}"), st.integers().map(str)),
    st.sampled_from(sorted(WAYS)),
)
def test_a_written_number_is_the_distance_or_refused_and_never_another(number: str, unit: str) -> None:
    slots, unclear = read(f"walk {number} {unit}", "move_forward")
    metres = float(number) * WAYS[unit]
    if unclear is None:
        assert slots.distance_m == pytest.approx(metres, rel=1e-9)
        assert 0.0 < metres <= 1000.0
    else:
        assert slots.distance_m is None
        assert not 0.005 < metres < 1000.0


@given(st.from_regex(r"[a-z]{3,9}", fullmatch=True), st.sampled_from(["metres", "centimetres", "米", "厘米"]))
def test_a_word_before_a_unit_is_a_number_or_refused_or_names_no_amount(word: str, unit: str) -> None:
    slots, unclear = read(f"walk {word} {unit}", "move_forward")
    assert unclear is not None or slots.distance_m is not None or word in units.NO_AMOUNT | units.ADJECTIVES


def test_a_text_beyond_any_command_has_no_slots() -> None:
    assert parse("two metres " * 1000, "move_forward") == NO_SLOTS


def test_tokens_are_words_breaks_and_numbers() -> None:
    tokens = tokenize("Turn 45°, 左转三点五")
    assert [t.text for t in tokens] == ["turn", "45", "degrees", ",", "左", "转", "三点五"]
    assert [t.value for t in tokens] == [None, 45.0, None, None, None, None, 3.5]
