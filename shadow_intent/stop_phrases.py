"""The words of `stop`, as data: phrases between bars, lower case, no apostrophes, Chinese simplified.

A comma is a pause. What recognisers and dialects make of a phrase stands beside it.
"""

from __future__ import annotations

NAMES = """
robot | robots | robot dog | the robot | dog | doggy | doggie | doggo | pup | puppy | pupper | rex | max | buddy |
bud | pal | mate | boy | good boy | girl | good girl | good dog | bad dog | bad boy | bad robot | fido | rover |
spot | lucky | bella | luna | charlie | cooper | rocky | duke | bear | toby | go2 | go 2 | go two | unitree | shadow |
sparky | scout | ace | wangcai | hey go2 | machine | unit | unit one | unit two | sweetie | honey | dude | bro |
bruh | man | lad | everyone | everybody | 机器狗 | 机器人 | 小狗 | 狗狗 | 狗子 | 狗 | 小狗狗 | 旺财 | 来福 | 大黄 |
小黑 | 小白 | 豆豆 | 阿黄 | 小黄 | 宝贝 | 小家伙 | 伙计 | 宇树 | 乖乖 | 乖 | aibo | benji | milo | teddy | oscar |
coco | 二哈 | 大狗 | 狗蛋 | 毛毛 | 乐乐 | 小七 | 小q | 铁蛋 | 球球 | 阿旺 | 机械狗 | 四足机器人 | 机器小狗 |
fella | kiddo | guys | 老铁 | 兄弟 | 哥们 | 家伙 | 乖狗 | 好狗 | 坏狗 | 狗蛋儿
"""
"""What the robot may be called."""

OPEN = """
um | uh | er | erm | hmm | mm | ah | oh | ooh | eh | hey | yo | hi | hello | ok | okay | okey | alright | all right |
right | so | well | now | like | just | please | pls | no | nope | no no | wait | hold on | quick | quickly |
come on | oh my god | omg | oh god | god | jesus | oh no | oops | hell | shit | damn | dammit | damn it | fuck |
crap | ow | ouch | ahh | aah | argh | listen | look | look out | watch out | careful | i said | i say |
i told you to | i want you to | i need you to | you need to | you have to | you must | you should | you better |
youd better | you had better | lets | time to | its time to | enough | thats enough | danger |
warning | for the love of god | for gods sake | for heavens sake | for goodness sake | for the last time |
attention | sorry | excuse me | quiet | immediately | everybody | all units | do a | do an | execute | initiate |
activate | trigger | engage | hit the | press the | emergency | this is an emergency | its an emergency | kindly |
i beg you | i repeat | repeat | i mean it | seriously | 请 | 麻烦 | 麻烦你 | 你 | 快 | 快点 | 快点儿 | 快快 | 赶紧 |
赶紧的 | 赶快 | 马上 | 立刻 | 立即 | 立马 | 现在 | 给我 | 嗯 | 呃 | 额 | 啊 | 哎 | 唉 | 哎呀 | 哎哟 | 喂 | 嘿 | 嗨 |
那个 | 这个 | 那 | 好 | 好了 | 好啦 | 好的 | 行了 | 够了 | 够啦 | 我说 | 我叫你 | 我让你 | 我要你 | 你给我 | 都给我 |
你先 | 求你 | 求求你 | 求你了 | 拜托 | 拜托你 | 天哪 | 天啊 | 我的天 | 不好 | 不行 | 不对 | 不行了 | 等等 , |
等一下 , | 小心 | 危险 | 注意 | 听话 | 听我说 | 哦 | 噢 | 喔 | 哇 | 妈呀 | 我靠 | 糟糕 | 糟了 | 坏了 , | 不 , | 全体 |
大家 | 原地 | 就地 | 同志 | 进入 | 切换到 | 切换成 | 切到 | 切换 | 执行 | 启动 | 启用 | 开启 | 打开 | 按 | 按下 |
紧急情况 | 出事了 | 麻烦您 | 您 | 先 | 我命令你 | 命令你 | 可以 , | 把它 | aight | oi | dude | oh goodness me |
oh goodness | oh heavens | mayday | chill | no no no | wo wo wo | i need you |
im begging you | thats it | nice | ok ok | my goodness | if you dont mind |
can we have an | could i ask you to | could i trouble you to | id like you to | i want you | you there | yes you |
谢谢 , | 诶 | 欸 | 哎哎 | 唉呀 | 天 | 我去 | 哎呦 | 哎哟喂 | 行 | 行啦 | 嗯嗯 | 麻烦请 | 能请你 | 请你 | 请您 |
劳驾 | 能麻烦你 | 可以请你 | 要你 | 叫你 | 让你 | 跟你说 | 我说了 | 都说了 | 你快 | 你赶紧 | 你马上 | 你现在 |
快给我 | 赶紧给我 | 马上给我 | 立刻给我 | 你能不能 | 你可以 | 你就 | 就 | 千万 | 喂喂 | 小朋友 |
老伙计 | 全员 | 各单位 | 把 | 将 | 给 | 可以了 | 可以啦 | 站着 | 站那儿 | 站那 | 站这儿 | 站这 | 待着 |
待这儿 | 待那儿 | 老实 | 老实站着 | 老实待着 | 乖乖站着 | 搁那儿 | 搁那 | 站好 | 站稳 | 站稳了 | 在那儿待着 | 慢慢 |
失控了 | 救命 | 救命啊 | 着火啦 | 着火了 | 撞人了 | 触发 | 全部 | 不是 , | 烦请 | 您先 | 你倒是 | 哥们儿 | 豆包 |
阿福 | 狗蛋儿 | trigger the | you can | you can just | trip the | 拍 | 算了 | 转够了 | 跳够了 | 红灯 , | 差不多了 |
执行一下 | 哎我说 | 帮我 | 啊呀 | 天呐 | 老天爷
"""
"""Before a stop: fillers, wake words, politeness, alarm."""

REQUEST = """
can you | could you | will you | would you | can you please | wont you | cant you | why dont you | would you mind |
能 | 能不能 | 可不可以 | 可以 | 能否 | 你能 | 你能不能 | 可否 | 要不 | can you just | could you just |
would you please | could you please | will you please | can you go | can we | 能请你 | 可以请你 | 能麻烦你 |
麻烦你能不能 | 你可以 | 可不可以请你 | would you kindly | 能帮我 | 可以帮我 | 麻烦你帮我
"""
"""Opens a request, after which a closing question word asks for the stop and not about it."""

ASK = """
吗 | 么
"""
"""Question words that only a request may end in."""

CLOSE = """
now | right now | immediately | at once | please | pls | thanks | thank you | thanks a lot | for a second |
for a sec | for a moment | for a minute | for a bit | for now | a second | a sec | a moment | a minute | right there |
there | right here | here | where you are | right where you are | exactly where you are | already | asap | instantly |
straight away | right away | this instant | this second | this minute | ok | okay | will you | would you | could you |
can you | dammit | damn it | on the spot | dead | in your tracks | all all movement | all movements |
completely | fully | altogether | for gods sake | for heavens sake | for goodness sake | for crying out loud |
i said | i beg you | im serious | i mean it | all right | alright | and stay there | and stay put | and stay still |
and hold | and dont move | and freeze | over | over and out | yourself | forward | forwards | backward | backwards |
around | about | so much | so fast | anymore | any more | any further | any closer | again | left | right |
in circles | up and down | back and forth | all over the place | you silly dog | hurry | quick | quickly | fast |
or else | mode | the robot | the dog | oh my god | oh god | oh no | fuck | shit | you hear me | do you hear me |
got it | immediately please | in place | in position | and wait | full stop | 吧 | 啊 | 呀 | 啦 | 哦 | 喔 | 噢 | 嘛 |
哈 | 了啦 | 好吗 | 好不好 | 行吗 | 行不行 | 可以吗 | 好嘛 | 谢谢 | 谢谢你 | 谢了 | 马上 | 立刻 | 立即 | 现在 | 快 |
快点 | 一下 | 一会儿 | 一会 | 在那 | 在那里 | 在那儿 | 在原地 | 原地 | 在这 | 在这里 | 在这儿 | 就在那 | 就在这 |
拜托 | 听到没 | 听到没有 | 听见没 | 听见没有 | 求你了 | 哎 | 呢 | 赶紧 | 赶快 | 待着 | 呆着 | 不许动 | 就这样 | 就好 |
就行 | 听话 | 喂 | 的模式 | 哟 | 的 | 给我 | around me | after me | a while | a moment dear | dear |
my dear | pet | in here | motion | the motion | for the photo | you silly thing | right this second |
rite there | rite now | command | it hurts | where it stands | gently | for one second | just a second |
just a moment | too | that paw | your paw | your tail | your head | my friend |
fam | would you please | if you please | if you would | nelly | like a statue |
and keep standing | and hold position | and stand there | and stay standing | down there | 会儿 | 一秒 | 一小会 |
一小会儿 | 别动弹 | 啦啦 | 好不 | 成吗 | 成不 | 嘞 | 呗 | 噻 | 撒 | 咯 | 喽 | 哒 | 嗷 | 那 | 那儿 | 那里 | 这儿 |
这里 | 到这 | 到这里 | 到这儿 | 就行了 | 就好了 | 算了 | 行不 | 得了 | 为止 | 跟前 | 你 | 这个动作 | 那个动作 |
动作 | 手上的动作 | 脚步 | 别走了 | 听话啊 | 谢谢啊 | 谢谢您 | 囉 | 喇 | 咗 | 儿 | 歇会儿 | 别走 | 等 |
站好
"""
"""After a stop: time, place, politeness, emphasis."""

STOP = """
stop | stopp | stahp | stap | shtop | stoppp | stop it | stop that | stop this | stop for me | stop right there |
stop there | stop now | stop here | stop where you are | full stop | halt | hault | freeze | freez | whoa | woah |
whoah | whoa there | woah there | hold it | hold it right there | hold still | stay still | stand still | keep still |
be still | sit still now | stay put | stay right there | stay right where you are | stay where you are | dont move |
do not move | dont you move | dont you dare move | dont move a muscle | dont move an inch | nobody move | no moving |
no more moving | dont move anymore | not another step | not one more step | dont take another step |
dont go any further | no further | thats far enough | far enough | quit it | quit that | cut it out | cut that out |
knock it off | cease | desist | cease and desist | cease motion | cease all motion | cease movement |
cease all movement | stop motion | stop movement | stop all motion | stop all movement | stop your motion |
stop moving | stop the motion | stop the movement | stop everything | stop what youre doing |
stop what you are doing | stop whatever youre doing | stop whatever you are doing | stop in your tracks | stop dead |
stop yourself | come to a stop | come to a halt | come to a full stop | come to a complete stop | make a stop |
bring yourself to a stop | hit the brakes | hit the brake | slam the brakes | slam on the brakes | brakes | brake |
brake now | hold your position | hold position | hold your ground | stopping | freezing | movement stop |
motion stop | all stop | do stop | dont walk any further |
thats enough now stop | 停 | 停下 | 停下来 | 停止 | 停一下 | 停一停 | 停一会 | 停一会儿 | 暂停 |
暂停一下 | 停住 | 停住脚 | 停手 | 停脚 | 停步 | 止步 | 停下脚步 | 站住 | 站住别动 | 站着别动 | 站着不动 |
停着别动 | 停那 | 停那儿 | 停那别动 | 停这 | 停这儿 | 停在那 | 停在那里 | 停在那儿 | 停在原地 | 停在这 | 停在这里 |
停在这儿 | 停在那别动 | 原地不动 | 原地别动 | 原地待着别动 | 保持不动 | 一动不动 | 待着别动 | 呆着别动 | 待在原地 |
待在原地别动 | 别动 | 别动了 | 不要动 | 不要动了 | 不许动 | 不准动 | 不能动 | 不可以动 | 别乱动 | 别乱动了 |
不要乱动 | 别再动 | 别再动了 | 不要再动了 | 停车 | 刹车 | 刹住 | 刹住车 | 急刹车 | 急刹 | 踩刹车 | 打住 |
定住 | 定格 | 停止移动 | 停止运动 | 停止动作 | 停止前进 | 停止行走 | 停止活动 | 停止一切动作 | 停止所有动作 |
停止一切运动 | 停止所有运动 | 停止当前动作 | 停止你的动作 | 立定 | 收住 | 住手 | 住脚 | 就此打住 | 到此为止 |
可以停了 | 可以停下了 | 可以停下来了 | 该停了 | 该停下了 | 该停下来了 | 停了吧 | 停下了 | 停掉 | 停下动作 | 动作停 |
停下手 | 收手 | 憋动 | 停夏 | 停吓 | 悬停 | stop a moment | stop a second | stop already |
just stop | dont move at all | not move | stop the trajectory | stop execution | stop the robot | stop motion now |
halt motion | halt the motion | halt all motion | halt movement | halt the gait | motion hold | zero velocity |
set all velocities to zero | set velocity to zero | interrupt that motion | abort motion | abort the motion |
abort the current motion | stop your feet | stop rite there | s stop | st stop | freezes | stops | stop to move |
no move | stop moves | stop the walking | stop the walk | stop this instant | stop move | stop the dance |
end the dance | stop your dance | stop your dancing | stop your walking | quit that now | come to a standstill |
stand fast | avast | dont budge | put the brakes on | pack it in | pull up there | whoa there nelly |
freeze like a statue | thats close enough | youve gone far enough | far enough now | dont go any farther |
no farther | dont keep walking | dont keep going | dont keep moving | dont keep turning | stopped moving |
if you stopped moving | stay planted | stay frozen | be a statue | no wiggling | remain still | remain where you are |
keep your feet still | hold that position | hold there | hold fast | hold up right there | stay motionless |
hold motionless | motionless | cease movement now | stop instantly | 停哈 | 停一哈 | 停哈子 | 停嘎 | 停止动 | 莫动 |
莫动了 | 莫走了 | 唔好郁 | 唔好动 | 咪郁 | 企定 | 停低 | 甭动 | 甭动了 | 别动弹 | 别动弹了 | 不要动弹 | 不许动弹 |
保持静止 | 静止 | 静止不动 | 站稳别动 | 站好不动 | 站那 | 站那儿别动 | 站那别动 | 站在原地 | 站在原地别动 |
站在那别动 | 停在那不要动 | 待那别动 | 待那儿别动 | 呆那别动 | 就停在那 | 就停这 | 速度归零 | 速度清零 | 速度置零 |
中止 | 中止动作 | 中止当前动作 | 终止动作 | 终止当前动作 | 中断动作 | 停止任务 | 停止执行 | 停止工作 | 一二三木头人 |
木头人 | 木头人不许动 | 别动一下 | 不要再走 | 别再走 | 停止走 | 停脚步 | 收脚 | 别走动 | 停止你现在的动作 |
停下你的动作 | 停下手里的动作 | 停止所有活动 | 停止一切活动 | 一步也别动 | 一步都不许动 | 一步也不许动 | 不许再动 |
不许再动了 | 不准再动 | 别再乱动 | 别再乱动了 | 吁 | 驭 | 运动停止 | 动作停止 | 动作中止 | 动作暂停 | 运动暂停 |
中断运动 | 打断当前动作 | 取消当前运动 | 终止当前的动作 | 原地待命 | 原地站定 | 保持原位 | 原地保持 | 纹丝不动 |
驻足 | 留步 | 立住 | 立那儿 | 不动 | 勿动 | 一动也别动 | 哪儿也别去 | 哪也别去 | 别挪窝 | 就停这儿 | 就停这里 |
就到这儿 | 就到这 | 就这儿 | 停下来歇会儿 | 消停会儿 | 消停点 | 刹一脚 | 站住别跑 | 站住等等 |
收住别迈了 | 停住别走 | 唔好行 | 勿要动 | 覅动 | 嫑动 | 停到 | 刹到起 | 听下来 | 婷下来 | 挺下来 | 停夏来 |
别洞 | 别冻 | 不要冻 | 沾住 | 站主 | 亭止 | 停亭 | 停只 | 脚底下别动 | 四条腿都别动 | 把四个爪子都停住 | 把脚停下来 |
把动作停了 | 把步子停住 | 把正在做的停掉 | 把速度归零 | 把速度清零 | 速度给零 | 停止行动 | 一步都不许走 |
不准再走一步 | 僵住 | 别再移动 | 不许晃 | 执行停止 | 全停 | 不用再走了 | 不用走了 | 不用跳了 | 不用再转了 |
不用再做了 | 不用转了 | 不用再往前了
"""
"""Cease motion, whatever is going on."""

WEAK = """
stay | stay there | wait | wait there | wait right there | hold on | hold up | pause | enough | thats enough |
thats enough now | enough now | no more | abort | thatll do | time out | hold | stay put | hold your horses |
hold that | red light | finish | 等一下 | 等一等 | 等下 | 够了 | 够啦 | 可以了停 | 中断 | 先等一下
"""
"""Cease motion when nothing but openings and closings is around; with more they are fillers."""

CEASE = """
别往前了 | 别前进了 | 别过来了 | 别靠近了 | 别再往前了 | 别再往前走了 | 不要再往前了 | 别后退了 | 别往后退了 |
stop being so jumpy | stop all that | enough dancing | thats enough dancing | thats enough jumping |
thats enough spinning | thats quite enough | quit following me | stop following me | lay off the jumping |
lay off the dancing | stop walking about | stop prancing | stop chasing | stop barking at me and stop | 别再往后了 |
别追了 | 别跟了 | 别跟着我了 | 别转圈了 | 不要转圈了 | 别跳舞了
"""
"""End a named activity."""

DAMP = """
emergency stop | emergency , stop | e stop | estop | emergency halt | emergency shutoff |
emergency shut off | emergency cutoff | emergency kill | stop emergency | stop , emergency | kill switch |
emergency off | panic stop | crash stop | hit the kill switch | emergency brake and cut the motors | go limp |
limp mode | go floppy | go slack | go soft | collapse now | damp | damp now | damp mode | damp yourself |
damp the motors | damping | damping mode | enter damp | enter damp mode | enter damping | enter damping mode |
switch to damp | switch to damp mode | switch to damping | switch to damping mode | go to damp mode |
go to damping mode | go into damp mode | go into damping mode | go damp | dampen | dampen the motors | passive mode |
release your joints | release all joints | release the joints | relax all joints | relax your joints |
relax your motors | relax the motors | relax all motors | unlock your joints | zero torque | zero torque mode |
torque off | torques off | servos off | servo off | motors off | motor off | motors off now | motor power off |
power off the motors | power off motors | cut the power | cut power | kill the power | kill power | kill the drive |
kill it the motors | 急停 | 急停模式 | 紧急停止 | 紧急停止模式 | 紧急停机 | 紧急停 | 紧急停下 | 紧急停下来 |
紧急 , 停 | 紧急 , 停止 | 紧急制动 | 紧急断电 | 紧急关停 | 紧急切断 | 急停按钮 | 即停 | 及停 | 极停 | 阻尼 |
阻尼模式 | 进阻尼 | 进阻尼模式 | 组尼模式 | 阻泥模式 | 切阻尼 | 卸力 | 泄力 | 卸掉力 | 卸掉力气 | 卸了力 | 卸力模式 |
泄力模式 | 卸力吧 | 力矩清零 | 零力矩 | 零力矩模式 | 力矩归零 | 扭矩归零 | 掉电机 | 软下来 | 瘫软 | 瘫下来 | 瘫下去 |
全身放松 | 放松关节 | 松开关节 | 关节放松 | 关节卸力 | 松劲 | 松力 | 断动力 | 切断动力 | 断开动力 | 动力切断 |
关掉动力 | soft e stop | soft estop | trip the estop | trip the e stop |
e stop this thing | hit the estop | hit the e stop | emergency top | a mergency stop | mergency stop |
emerge and see stop | ease top | damn ping mode | zero torque on all joints | drop torque | drop torque on every leg |
kill torque | kill the torque | take the torque off | take torque off | joint torque to zero | torque to zero |
disarm the motors | motors to idle | idle the motors | drives off | actuators off | motors down | motors free |
safe state now | backdrivable mode | backdrive mode | no power to the motors | set joints to damping |
switch the joints to damping | set the joints to damping | send the damp command | damp command | go in to damp mode |
put it in damp | put yourself in damp mode | put the legs in passive mode | passive mode now | damp the joints |
damp the joints now | damp all joints | damp all twelve motors | damp all motors | open the motor relay | ragdoll |
ragdoll mode | be a rag doll | go ragdoll | go full ragdoll | go full noodle | go dead weight | go dead | limp |
limp now | limp please | all floppy | release the legs | release your legs | unlock the joints | unlock all joints |
loosen your joints | loosen all your joints | relax every joint | turn your legs off | turn off your legs |
power off your legs | kill your legs | cut your legs | kill power to your legs | motor off now |
release motor tension | pull the plug on the motors | pull the plug on those motors | let go of your motors |
motor soft | motors soft | motor no power | cut drive power | cut drive to all four legs | shut off leg power |
cut leg power | deactivate the motors | deactivate motors | deactivate the motor drivers | disable all actuators |
disable motor torque | disable torque | 紧急停车 | 紧急刹停 | 紧急下电 | 紧急卸力 | 拍急停 | 拍下急停 | 按急停 |
急停按下去 | 按下急停按钮 | 急停了 | 急停快 | 快急停 | 急听 | 级停 | 集停 | 紧急停之 | 紧集停止 | 组尼 | 阻泥 |
阻力模式 | 阻尼状态 | 进入阻尼状态 | 关节阻尼 | 电机阻尼 | 电机阻尼模式 | 阻尼档 | 卸利 | 泻力 | 泻力吧 | 谢力 |
卸一下力 | 卸下力 | 卸个力 | 把力卸了 | 把力卸掉 | 把劲卸了 | 把劲松了 | 力卸掉 | 力矩卸掉 | 卸力矩 | 力矩置零 |
力矩全部归零 | 关节力矩清零 | 扭矩清零 | 扭矩置零 | 放松四肢 | 四肢放松 | 身体放松下来 | 身子软下来 | 软下去 |
全身软下来 | 瘫了 | 瘫倒 | 瘫软下来 | 瘫在地上 | 松掉劲 | 松了劲 | 关节松开 | 关节断电 | 关节掉电 | 腿部断电 |
腿断电 | 腿卸力 | 四条腿卸力 | 全部卸力 | 全身卸力 | 全部断电 | 伺服关闭 | 关闭伺服 | 伺服断电 | 断开伺服 | 伺服下电 |
断使能 | 电机去使能 | 去使能 | 失能 | 电机失能 | 断电急停 | 安全停机 | 切断动力源 | 切断腿部动力 | damp模式 |
kill掉电机 | disable电机 | 力矩输出为零 | 力矩全部置零 | 电流切掉 | 全身别用力 | 浑身放松 | 全身放松别出力 |
四肢放松别出力 | 关节自由 | 关节别锁了 | 电机别锁着 | 解锁关节 | 解除电机锁定 | 别使劲 | 别使劲了 | 别绷着劲 | 失力 |
脱力 | 松个劲 | 松劲儿 | 泄劲 | 泄劲儿 | 卸劲 | 腿软下去 | 腿软下来 | 鸡停 | 急挺 | 几停 | 紧急亭止 | 断开典籍 |
断开电击 | 断开店机 | 段开电机 | 阻你模式 | 祖尼 | 祖尼模式 | 足尼 | 些力 | 急停保护 | 整急停 | 卸力我要抬你 |
松了力 | 伺服off | 紧急全停
"""
"""Motors off."""

REASON = """
you | youre | youll | youve | youd | i | im | ill | ive | we | were | theres | there is | there are | its | hes |
shes | watch out | watch it | look out | look | careful | or | because | cause | before you | before i |
before someone | and | then | dont | danger | what are you doing | mind the | no | 前面 | 后面 | 旁边 | 有人 | 有车 |
有小孩 | 有孩子 | 有东西 | 小心 | 危险 | 要撞 | 快撞 | 会撞 | 撞 | 再走 | 再动 | 不然 | 否则 | 孩子 | 小孩 | 车来 |
然后 | 太危险 | 会摔 | 要摔 | 你要 | 你会 | 你快 | 你撞 | 你别 | 你踩 | 你挡 | 你要干 | thats | so i | so we |
so that | that tickles | tickles | it tickles | let her | let him | let the | before it | before somebody |
before anyone | ive got | im going | im about | i smell | mommy | mummy | 会伤 | 夹到 | 夹住 | 卡住 | 压到 | 冒烟 |
手被 | 手夹 | 他的手 | 她的手 | 撞到 | 要掉 | 快掉 | 要倒 | 别撞 | 别踩 | 要出事 | 会出事 | 出事 | 让他 | 让她 |
让阿姨 | 让奶奶 | 让爷爷 | 不要出力 | 我要 | 我来 | 我好 | 再走就 | 楼下 | 地上 | 看得我 | 脑壳 | 要撞上 | 让我 |
夹着 | my hand | my foot | my finger | my fingers | my leg | my tail | his hand | his foot | his finger |
his fingers | his leg | her hand | her foot | her finger | her fingers | her hair | her leg | the babys | somebodys |
someones
"""
"""Begin the reason for a stop without a pause before it."""

GERUNDS = """
moving walking running jumping hopping spinning turning rotating twirling circling dancing wiggling waving rolling
going advancing reversing backing strafing sidestepping marching trotting pacing wandering twerking stretching
bowing pouncing leaping bouncing flipping shaking wobbling charging driving sliding creeping coming following
jiggling hurrying drifting prancing twitching trembling galloping chasing
"""
"""Activities of the body that "stop" can end; others ("stop looking", "stop resting") are no stop."""

CEASERS = """
stop, quit, cease, stop all, stop this, stop that, stop your, enough, no more, enough with the, cut out the, would
you mind stopping, lay off the, quit this, give over, leave off, end the, would you stop
"""
"""Before a gerund, between commas."""

ACTIVITIES = """
跳 转 走 跑 扭 晃 摇 动 滚 扑 闹 冲 追 飞 蹦 摆 跳舞 转圈 走路 跑步 扭屁股 打滚 后退 前进 移动 走动 乱跑 乱跳 乱动
乱走 往前走 往后退 往前冲 转圈圈 晃悠 晃动 摆动 翻跟头 招手 挥手 追我 闹腾 瞎跑 浪 嗨 舞 蹦跶 扑腾 转悠 瞎转悠 旋转 挪
退 再退 瞎转 翻 往左 往右 往左挪 往右挪 往后 再往前走 晃荡 溜达
"""
"""What 别…了 and 停止… end."""

REFUSALS = """
别 不要 别再 不要再 不许 不准 甭 莫
"""
"""Before an activity and 了."""

CUTTERS = """
kill, cut, cut off, disable, shut off, switch off, turn off, shut down, power down, disengage, release, disconnect,
drop, de energize, deenergize, power off, depower, deactivate, disarm, unpower, free, relax, loosen, unload, turn
loose, let go of, damp, dampen
"""
"""Verbs that take the power from motors, between commas; "turn the motors off" is built from the last word."""

MOTORS = """
the motors, motors, your motors, all motors, all the motors, all your motors, the motor, motor, your motor, motor
power, the motor power, the power to the motors, power to the motors, power to your motors, power to all motors,
power to the legs, the engines, the engine, the servos, all servos, your servos, the actuators, the drives, the legs
motors, leg motors, your leg motors, the leg motors, all the joints, torque, the torque, motor torque, all torque,
the actuators, actuators, the servo motors, the motor drivers, motor drivers, the motor current, the joint motors,
every motor, these motors, those motors
"""
"""What drives the robot, between commas."""

LIMPERS = """
go, be, get, turn, become, go all, go completely, go totally, let yourself go, let your legs go, let the legs go,
let all your joints go, let your joints go, let the joints go, make yourself, make your legs, make the legs, let
everything hang
"""
"""Before a limp word, between commas."""

LIMP = """
limp floppy slack loose soft
"""
"""Without force."""

HAN_CUTTERS = """
断开 关闭 关掉 切断 停掉 断掉 关了 断了 松开 释放 放松 卸掉 关 断 停了 禁用 断电 卸力 掉电 下电 泄力 切了 关上 掐断
掐了 断一下 切掉 掐掉 全断 放开 失能 off 全部断开 全部下电 全部断电 先断开 关断 断开一下 关一下 清零 置零 停下来
松开了
"""
"""Verbs that take the power from motors, before or after them."""

HAN_MOTORS = """
电机 马达 所有电机 全部电机 电机电源 马达电源 电机供电 电机的电 电机动力 腿部电机 关节电机 你的电机 电机使能 电机输出
电机力矩 腿上的电机 腿上电机 四条腿的电机 全身电机 关节 动力 动力电源 电机控制 驱动 驱动器 电机驱动 马达动力 使能 力矩
扭矩 伺服 所有关节电机 motor 电流 动力输出 力矩输出 扭矩输出 关节的力 电机动力输出
"""
"""What drives the robot."""

HAN_LIMPERS = """
卸了 卸掉 松了 松掉 松咯 泄了 放掉 收了
"""
"""What is done to one's strength."""

HAN_STRENGTH = """
劲 劲儿 力 力气 力道 腿上的力 腿上的劲 全身的力 身上的力 关节的力 腿上的力气
"""
"""Strength, before them."""

DAMPERS = """
转 开 上 换成 切 切成 切一下 切下 进 变成 改成 换到 切进 进到 转到
"""
"""Verbs before 阻尼."""

HAN_DAMPING = """
阻尼 阻尼模式 阻尼状态 damp damping
"""
"""The damp mode in Chinese speech."""
