"""What the model-free matcher hears as stop, as damp, and as neither."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent.stop import match

STOP = """
stop
Stop!
STOP
stop stop stop
Stop, stop, stop!
stopp
stahp
whoa
Whoa there!
woah
hold it
hold it right there
freeze
Freeze!
halt
hault
don't move
dont move
do not move
Don't you dare move!
don't move a muscle
nobody move
stay still
stand still
hold still please
keep still
stay where you are
stay right there
stay put
stop moving
stop moving right now
please stop moving right now
stop right there
stop there
stop it
stop that
stop this instant
stop what you're doing
stop everything
stop dead
stop in your tracks
come to a stop
come to a halt please
cease all motion
hit the brakes
brake
robot stop
robot, stop
stop robot
please stop
stop please
stop now
okay stop
ok stop now please
rex stop
Rex, stop!
hey buddy stop right now
um uh stop
uh can you stop
can you stop
could you please stop
could you stop now please
would you stop moving
will you stop it
I said stop
I told you to stop
I need you to stop right now
you need to stop
you have to stop now
no stop
no no no stop
no, stop!
wait stop
wait, wait, stop
oh my god stop
hey stop it
come on stop
stop it right now
stop immediately
stop at once
stop jumping
stop dancing
stop spinning
quit spinning
stop walking please
stop running around
stop turning
no more jumping
enough dancing
lay off the jumping
quit it
cut it out
knock it off
that's far enough
no further
not another step
don't take another step
don't go any further
hold your position
go2 stop
go 2 stop
hey robot freeze
good boy stop
listen stop
seriously stop
stop, there is a child
Stop! You'll hit the wall.
stop you're going to hit the wall
stop or you'll fall
stop, I have to take this call
stop there's a kid
stop and sit
stop and sit down
stop, then lie down
Stop. Sit.
you keep drifting to the right, stop it
you are going too far, stop
don't run, stand still
forward, no, stop
turn left, no wait, stop
s stop
stop rite there
stay
wait
hold on
pause
enough
that's enough
abort
please do not move
just stop
just stop it
everybody freeze
for the last time stop
all right stop there
so stop
停
停!
停。
停下
停下来
停止
停一下
停住
停停停
停停停停停
停,停,停
别动
别动!
别乱动
别别动
不要动
不许动
不准动
别再动了
站住
给我站住
站住别动
原地别动
原地不动
保持不动
待着别动
站着别动
停在原地
停在那儿别动
停在那里
快停下
快停
快点停下来
赶紧停下
赶快停下来
马上停下
立刻停止
立即停止
现在停下
现在就停
机器狗停
机器狗,停下
小狗别动
旺财停
旺财,站住!
机器人停止
狗狗停一下
请停下
请停止移动
请你停下来
麻烦停一下
麻烦你停下来
你停下
给我停下
停下吧
停下啦
停下好吗
停一下好不好
停下谢谢
能停下吗
能停下来吗
能不能停下
可以停下吗
你能停一下吗
别跳了
别转了
别走了
别跑了
别扭了
别再跳了
不要再跳了
不要跳了
别跳舞了
停止跳舞
停止移动
停止运动
停止前进
停止动作
停止一切动作
停下你的动作
打住
刹车
停车
急刹车
立定
住手
定住
暂停
静止
木头人
嗯停
呃那个停下
嗯那个停一下
哎呀停停停
喂停下
嘿停
等一下,停
不,停!
不行,停下
够了停下
好了停下吧
行了停
我说停
我叫你停下
我让你停
先停一下
停!前面有人
停下,小心台阶
停,有小孩
停下来前面有人
别动,危险
別動
停下來
不要動
站住別動
別跳了
請停下
馬上停下來
停止動作
别洞
停夏
rex 停下
robot 停
stop 停
快 stop
莫动
甭动
"""

DAMP = """
emergency stop
Emergency stop!
Emergency! Stop!
emergency stop now
emergency stop please
emergency stop emergency stop
stop, emergency stop
oh my god emergency stop
hit the emergency stop
press the emergency stop
e-stop
E-Stop!
estop
e stop now
robot emergency stop
rex e-stop
kill the motors
kill the motors now
kill your motors
kill motors
kill all motors
kill the power
kill power
cut the motors
cut the power
cut power
cut the power to the motors
cut power to the motors
shut off the motors
shut the motors off
turn off the motors
turn the motors off
turn your motors off right now
switch off your motors
please turn off your motors
could you turn off your motors please
disable the motors
disable motors
release the motors
disengage the motors
de-energize the motors
motors off
motor off now
motors off please
torque off
zero torque
go limp
go limp now
please go limp
go completely limp
can you go limp
let your legs go limp
go floppy
damp
damp mode
damping mode
enter damp mode
enter damping
switch to damp mode
go into damping mode please
passive mode
relax your motors
release your joints
ragdoll mode
kill switch
emergency halt
emergency shutoff
power off the motors
stop! kill the motors!
kill the motors, he is stuck
cut the motors his hand is stuck
Emergency stop, her hair is caught!
mayday kill your motors
emerge and see stop
damn ping mode
急停
急停!
急停急停
快急停
马上急停
按急停
小狗急停
机器狗,急停
紧急停止
紧急停机
紧急停下
紧急!停!
立即紧急停止
断开电机
马上断开电机
请断开电机
把电机断开
关闭电机
关掉电机
把电机关了
把马达关掉
电机断电
切断电机
切断电机电源
切断动力
断开马达
电机卸力
阻尼
阻尼模式
进入阻尼模式
切换到阻尼模式
切到阻尼
开阻尼
请进入阻尼模式
阻尼模式谢谢
能进入阻尼模式吗
卸力
卸力吧
泄力
卸掉力
把力卸了
全身卸力
软下来
放松关节
零力矩
伺服断电
去使能
緊急停止
斷開電機
阻尼模式啊
急停急停夹到手了
急停,夹到手了
失控了急停
"""

NEITHER = """
don't stop
do not stop
don't stop now
please don't stop
never stop
never stop dancing
can't stop
can't stop won't stop
non-stop
nonstop
the bus stop
bus stop
bus stops here
the bus stops here
next stop
last stop
pit stop
stop sign
a stop sign
stop light
stop watch
stop by the shop
stop by the kitchen
stop at the door
stop at the red line
stop the music
can you stop the music
stop the vacuum cleaner
stop that car
stop this song
stop him
stop the timer
stop in five seconds
stop in 5 seconds
Stop, in five seconds.
stop after ten steps
stop when you reach the door
stop if you see me
stop before the sofa
stop at three o'clock
in ten minutes stop
walk then stop
walk forward then stop
walk forward and stop
walk to the door, stop
go two metres, then stop
turn left and freeze
stop, no, keep going
stop no keep going
stop, never mind
stop, just kidding
stop, actually continue
stop, don't stop
he told me to stop
she said stop
he said, stop
the sign says stop
I told her don't move
they shouted stop
somebody shouted emergency stop
stop, he said
why did you stop
what does stop mean
what is emergency stop
what happens when I say emergency stop
where is the emergency stop
how do I stop you
did you stop
do you ever stop
are you going to stop
when will you stop
should I stop
is the emergency stop working
don't emergency stop
don't kill the motors
don't cut the power
don't go limp
don't freeze
freeze the video
freeze the pasta
freeze my account
can you freeze my bank account
stop my account activity
stop people from coming in
stop you from falling
can I freeze this
hold it up
hold it for me
hold this
hold my hand
stop talking
stop laughing
stop looking at me
stop crying
stop smoking
stop sleeping and get up
stop resting and rise
stop jumping and sit
stop dancing, sit down
stop turning left, turn right
stop being silly
stop worrying
stop and think about it
stop and go
halt the download
cease fire agreement
dad, stop
Steve, stop, you've got it
wait, turn left
wait for me
wait until I say go
hold on to the rope
hold on, turn right
stay with me
stay in the kitchen
pause the movie
enough of this song
enough food
abort the download
red motors
how many motors have you got
turn off the light
turn off the motor of the fan
cut the cake
cut it
kill the lights
power off
shut down
shut down the computer
relax
go
sit
walk
walk forward two metres
slow down
don't stop, just slow down
I didn't say stop
don't do that backflip
don't sit down
no
cancel
yes
um uh
"""

NEITHER_CHINESE = """
别停
不要停
别停下
千万别停
停不下来
停车场在哪
停车场
停车位
停电了
停电
公交车停了
雨停了
外面雨停了
音乐停了
停机坪
停在门口
停在我家门口
停在红线那
停一下音乐
停止播放
停止播放音乐
停下音乐
五秒后停
五秒后停下
五秒后停下来
十分钟后停下
走两步再停
走两步再停下
往前走然后停
走到门口停下
到了就停下
看到红灯就停
如果有人就停下
等我说停再停
先别动,等我口令再往前走
他叫我停下
他说停
妈妈让我别动
老师说不许动
我喊停你就停
停是什么意思
急停是什么
急停是什么意思
什么是急停
急停按钮在哪
急停怎么用
阻尼模式是干嘛用的
你刚才为什么停下来
你为什么停
为什么停了
你停了吗
停吗
急停吗
不要急停
别急停
不要断开电机
别断开电机
别卸力
别关电机
你有几个电机
电机多少钱
电机温度多少
别倒立
别后空翻
不要坐下
别走了,左转
别跳了,坐下
停止供暖
停课了
停工
刹车片
站住脚的理由
动一动
别动队
别动我东西
不要动我的手机
定住不了
关灯
关机
断网了
断电话
软件
放松一下
等等我
等一下再走
暂停音乐
慢点
往前走两米
左转
坐下
不
好的
嗯
停,不,继续走
停,算了继续
停下,开玩笑的
別停
不要停下來
停車場在哪裡
停電了
急停是什麼
"""


def lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line]


@pytest.mark.parametrize("text", lines(STOP))
def test_stop_is_heard(text: str) -> None:
    assert match(text) == "stop"


@pytest.mark.parametrize("text", lines(DAMP))
def test_damp_is_heard(text: str) -> None:
    assert match(text) == "damp"


@pytest.mark.parametrize("text", lines(NEITHER) + lines(NEITHER_CHINESE))
def test_other_speech_is_left_to_the_classifier(text: str) -> None:
    assert match(text) is None


def test_a_question_never_drops_the_robot() -> None:
    assert match("emergency stop?") is None
    assert match("急停？") is None
    assert match("could you go limp?") == "damp"


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    assert match(text) in (None, "stop", "damp")


@given(
    st.sampled_from(lines(STOP)),
    st.sampled_from(["", " ", "\n", "  \t"]),
    st.sampled_from(["", "!", "...", "。", "！"]),
)
def test_case_space_and_punctuation_do_not_matter(text: str, space: str, end: str) -> None:
    assert match(f"{space}{text.upper()}{end}{space}") == "stop"


@given(st.sampled_from(lines(STOP) + lines(DAMP)), st.integers(2, 5))
def test_repeating_a_command_does_not_change_it(text: str, times: int) -> None:
    assert match(". ".join([text] * times)) == match(text)


@pytest.mark.parametrize("text", ["", " ", ",", "!!!", "\x00", "stop" * 2000, "de" * 5000, "😀" * 100])
def test_debris_is_not_a_stop(text: str) -> None:
    assert match(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "stop " * 2000,
        "停" * 10_000,
        "um " * 3300,
        "stop careful look " * 600,
        "停," + "等啊" * 5000,
        "in a " * 2500,
        "no " * 3300,
    ],
)
def test_ten_thousand_characters_take_bounded_time(text: str) -> None:
    start = time.process_time()
    match(text)
    assert time.process_time() - start < 0.25


def test_a_routine_utterance_takes_microseconds() -> None:
    texts = ["stop", "please stop moving right now", "walk forward two metres", "停下来", "往前走两米，然后左转"]
    best = min(_seconds(texts) for _ in range(20))
    assert best < 5 * len(texts) * 50e-6  # the bound is 50 us; five times as long on a busy machine


def _seconds(texts: list[str]) -> float:
    start = time.process_time()
    for text in texts:
        match(text)
    return time.process_time() - start
