"""What the robot says about its skills, in English and Chinese. The English one is also the reason in skill_status."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

SPEAKING_S, SPEAKING_HAN_S = 0.06, 0.2
"""Seconds it takes to speak a letter and a Han character."""

SENTENCES: Mapping[str, tuple[str, str]] = {
    "ask": ("Shall I {name}? Say yes or no.", "要我{name}吗？请说好的或不要。"),
    "battery": ("My battery is too low for that: {percent} percent.", "电量太低：百分之{percent}。"),
    "bounds": ("I can't do that: {detail}.", "我做不到：{detail}。"),
    "cancelled": ("All right, I won't.", "好的，不做了。"),
    "clock": ("I stopped: the clock was set back.", "时钟被往回调，我停下了。"),
    "code": ("The robot refused: {detail} (code {code}).", "机器人拒绝了：{detail}（代码{code}）。"),
    "controller": ("Someone is using the hand controller.", "有人正在使用遥控器。"),
    "damped": ("My motors are off. Tell me to stand up first.", "电机已关闭，请先让我站起来。"),
    "did_you_mean": ("Did you mean {name}? Say yes or no.", "你是要{name}吗？请说好的或不要。"),
    "did_you_mean_either": ("Did you mean {first} or {second}?", "你是要{first}还是{second}？"),
    "duplicate": ("Heard twice.", "重复的指令。"),
    "endless": ("I can't do that without an end. Please say a number.", "我不能没完没了地做，请说一个数。"),
    "expired": ("I heard no yes, so I won't.", "没有听到确认，不做了。"),
    "fallen": ("I have fallen. Tell me to recover first.", "我摔倒了，请先让我恢复站立。"),
    "firmware": ("My firmware can't {name}.", "我的固件不支持{name}。"),
    "halted": ("I stopped: the commands to my legs came too late.", "指令来得太晚，我停下了。"),
    "hazardous": ("I may not {name}: the operator has to allow it.", "我不能{name}：需要操作员允许。"),
    "impossible": ("I can't do {amount}.", "{amount}我做不到。"),
    "ask_unprotected": (
        "Obstacle avoidance is off. Shall I {name}? Say yes or no.",
        "避障已关闭。要我{name}吗？请说好的或不要。",
    ),
    "no_answer": ("The robot did not answer.", "机器人没有应答。"),
    "no_number": ("Please say a definite number.", "请说一个确定的数。"),
    "no_state": ("I don't know how the robot stands right now.", "现在不知道机器人的状态。"),
    "no_stop_node": ("My stop node does not run, so I may not move.", "停止节点没有运行，我不能动。"),
    "not_spoken": ("Only a person may say that.", "这只能由人来说。"),
    "not_asked": ("I asked somebody else.", "我问的是别人。"),
    "nothing_to_confirm": ("There is nothing to confirm.", "没有需要确认的事情。"),
    "old": ("That command is {age} seconds old.", "这条指令是{age}秒前的。"),
    "overflow": ("That plan has too many steps.", "计划的步骤太多。"),
    "plan_dropped": ("An earlier step did not succeed.", "前面的步骤没有完成。"),
    "posture": ("I can't {name} while {posture}.", "我现在的姿势不能{name}。"),
    "posture_missed": ("I did not get there in time.", "我没有及时完成动作。"),
    "range": (
        "{low} to {high}{unit} is a range. Please say one number.",
        "{low}到{high}{unit}是一个范围，请说一个数。",
    ),
    "replaced": ("A newer command came.", "有了新的指令。"),
    "restless": ("I could not come to rest.", "我没能停稳，不做了。"),
    "rising": ("Standing up first.", "先站起来。"),
    "say_differently": ("All right. Please say it differently.", "好的，请换个说法。"),
    "shut_down": ("I am shutting down.", "正在关闭。"),
    "status": (
        "Battery {battery}. I am {posture}. State code {code}.",
        "电量{battery}。我现在{posture}。状态码{code}。",
    ),
    "stopped": ("Stopped.", "已停止。"),
    "stopped_first": ("I stopped. Please say again what to do next.", "我停下了，接下来要做什么请再说一遍。"),
    "too_soon": ("I had not asked yet. Please say yes or no.", "我还没有问完，请说好的或不要。"),
    "unprotected": ("I stopped: obstacle avoidance went off.", "避障关闭了，我停下了。"),
    "unknown": ("I don't know the skill {name}.", "我不会{name}。"),
    "warning": ("Warning people first.", "先提醒周围的人。"),
    "which_one": ("Which one, first {first} or second {second}?", "是第一个，{first}，还是第二个，{second}？"),
}
"""Sentences by key, (en, zh), with the names of what is filled in."""

AMOUNTS = {
    "distance_m": ("{} metres", "{}米"),
    "angle_deg": ("{} degrees", "{}度"),
    "duration_s": ("for {} seconds", "{}秒"),
    "count": ("{} times", "{}次"),
}
"""Quantities by slot, (en, zh)."""

A_LITTLE = ("a little", "一点")
"""For less than the default, (en, zh)."""

SPEED_NAMES = {"slow": ("slowly", "慢慢地"), "normal": ("at normal speed", "正常速度"), "fast": ("fast", "快速")}
"""By slot value, (en, zh)."""

POSTURE_NAMES = {
    "standing": ("standing", "站着"),
    "sitting": ("sitting", "坐着"),
    "lying": ("lying down", "趴着"),
    "fallen": ("fallen over", "摔倒了"),
    "damped": ("limp", "电机关闭"),
}


def sentence(key: str, language: str, **values: object) -> str:
    """The sentence in `language` ("zh", anything else is English)."""
    return SENTENCES[key][language == "zh"].format(**values)


def speaking_s(text: str) -> float:
    """About how long it takes to speak, seconds."""
    han = sum("\u3400" <= sign <= "\u9fff" for sign in text)
    return SPEAKING_S * (len(text) - han) + SPEAKING_HAN_S * han
