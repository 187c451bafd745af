"""The words of `stop_lexicon` in English, as data: phrases between bars, lower case, no apostrophes.

A comma is a pause. What recognisers and dialects make of a phrase stands beside it.
"""

from __future__ import annotations

NAMES = """
robot | robots | robot dog | the robot | dog | doggy | doggie | doggo | pup | puppy | pupper | rex | max | buddy |
bud | pal | mate | boy | good boy | girl | good girl | good dog | bad dog | bad boy | bad robot | fido | rover |
spot | lucky | bella | luna | charlie | cooper | rocky | duke | bear | toby | go2 | go 2 | go two | unitree | shadow |
sparky | scout | ace | wangcai | hey go2 | machine | unit | unit one | unit two | sweetie | honey | dude | bro |
bruh | man | lad | everyone | everybody | aibo | benji | milo | teddy | oscar | coco | fella | kiddo | guys
"""
"""What the robot may be called."""

OPEN = """
um | uh | er | erm | hmm | mm | ah | oh | ooh | eh | hey | yo | hi | hello | ok | okay | okey | alright | all right |
right | so | well | now | like | just | please | pls | no | nope | no no | wait | hold on | quick | quickly |
come on | oh my god | omg | oh god | god | jesus | oh no | oops | hell | shit | damn | dammit | damn it | fuck |
crap | ow | ouch | ahh | aah | argh | listen | look | look out | watch out | careful | i said | i say |
i told you to | i want you to | i need you to | you need to | you have to | you must | you should | you better |
youd better | you had better | lets | time to | its time to | enough | thats enough | danger | warning |
for the love of god | for gods sake | for heavens sake | for goodness sake | for the last time | attention | sorry |
excuse me | quiet | immediately | everybody | all units | do a | do an | execute | initiate | activate | trigger |
engage | hit the | press the | emergency | this is an emergency | its an emergency | kindly | i beg you | i repeat |
repeat | i mean it | seriously | aight | oi | dude | oh goodness me | oh goodness | oh heavens | mayday | chill |
no no no | wo wo wo | i need you | im begging you | thats it | nice | ok ok | my goodness | if you dont mind |
can we have an | could i ask you to | could i trouble you to | id like you to | i want you | you there | yes you |
trigger the | you can | you can just | trip the | ah would you | would you ever | go ahead and | id rather you |
id be grateful if you | i do beg your pardon but could you | might i ask you to | if you could just |
sorry could you | for petes sake | for crying out loud | aye | ay | ayy | oy | ho | nah | naw | psst | hush |
hush now | steady | right there | arre | bas | ruko | basta | khalas | para | ya | yaar | ma | mate | please to |
please you | kindly refrain from | perform an | perform | make an | use the | this is an | i need an | i need the |
id like the | i want the | want the | put the brakes on | trigger an | you may | you can please | im asking you to |
just go | all right then | now just you | i said to you | and | help | fire | panic | calmly now | gently |
emergency emergency | i need to ask you to | its on fire | alarm | its an emergency so
"""
"""Before a stop: fillers, wake words, politeness, alarm."""

REQUEST = """
can you | could you | will you | would you | can you please | wont you | cant you | why dont you | would you mind |
can you just | could you just | would you please | could you please | will you please | can you go | can we |
would you kindly | could you kindly | would you be so kind as to | would you please just
"""
"""Opens a request, after which a closing question word asks for the stop and not about it."""

CLOSE = """
now | right now | immediately | at once | please | pls | thanks | thank you | thanks a lot | for a second |
for a sec | for a moment | for a minute | for a bit | for now | a second | a sec | a moment | a minute | right there |
there | right here | here | where you are | right where you are | exactly where you are | already | asap | instantly |
straight away | right away | this instant | this second | this minute | ok | okay | will you | would you | could you |
can you | dammit | damn it | on the spot | dead | in your tracks | all all movement | all movements | completely |
fully | altogether | for gods sake | for heavens sake | for goodness sake | for crying out loud | i said | i beg you |
im serious | i mean it | all right | alright | and stay there | and stay put | and stay still | and hold |
and dont move | and freeze | over | over and out | yourself | forward | forwards | backward | backwards | around |
about | so much | anymore | any more | any further | any closer | again | left | right | in circles | up and down |
back and forth | all over the place | you silly dog | hurry | quick | quickly | fast | or else | mode | the robot |
the dog | oh my god | oh god | oh no | fuck | shit | you hear me | do you hear me | got it | immediately please |
in place | in position | and wait | full stop | around me | after me | a while | a moment dear | dear | my dear |
pet | in here | motion | the motion | for the photo | you silly thing | right this second | rite there | rite now |
command | it hurts | where it stands | gently | for one second | just a second | just a moment | too | that paw |
your paw | your tail | your head | my friend | fam | would you please | if you please | if you would | nelly |
like a statue | and keep standing | and hold position | and stand there | and stay standing | down there | lah |
yaar | na | only | only there | for me please | love | horsey | boy | lad | there boy | pig | over now |
already please | would you now | for one moment | for a second please | until further notice | like a rag doll |
like a ragdoll | like a noodle | like jelly | like a jellyfish | like a puppet | as a noodle | like a doll |
no force | completely please | your hips | your bum | your bottom | your backside | your rear | on two legs |
the robot now | of yours | thank you very much | cheers | danger | emergency | urgent | i mean it now | that dance |
at once please | completely and utterly | entirely | everywhere | all of them | nice and gently | nice and calm |
please doggy | on the lot | for good | its an emergency | its urgent | until i say
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
motion stop | all stop | do stop | dont walk any further | thats enough now stop | stop a moment | stop a second |
stop already | just stop | dont move at all | not move | stop the trajectory | stop execution | stop the robot |
stop motion now | halt motion | halt the motion | halt all motion | halt movement | halt the gait | motion hold |
zero velocity | set all velocities to zero | set velocity to zero | interrupt that motion | abort motion |
abort the motion | abort the current motion | stop your feet | stop rite there | s stop | st stop | freezes | stops |
stop to move | no move | stop moves | stop the walking | stop the walk | stop this instant | stop move |
stop the dance | end the dance | stop your dance | stop your dancing | stop your walking | quit that now |
come to a standstill | stand fast | avast | dont budge | put the brakes on | pack it in | pull up there |
whoa there nelly | freeze like a statue | thats close enough | youve gone far enough | far enough now |
dont go any farther | no farther | dont keep walking | dont keep going | dont keep moving | dont keep turning |
stopped moving | if you stopped moving | stay planted | stay frozen | be a statue | no wiggling | remain still |
remain where you are | keep your feet still | hold that position | hold there | hold fast | hold up right there |
stay motionless | hold motionless | motionless | cease movement now | stop instantly | abort the movement |
abort current movement | abort the current movement | abort movement | abort the walk | cancel the motion |
cancel the movement | cancel the motion command | cut the motion | cut the movement | cut the walk | kill the walk |
kill the motion | kill that gait | end the movement | end that movement | terminate the movement | terminate motion |
suspend motion | suspend movement | interrupt current motion | interrupt motion | arrest your motion | halt the walk |
finish moving | stop doing that | stop what youre at | stop that right there | stop going round and round |
stop that dance | stop the spin | stop the moving | stop walk | stop a little | stop lah | stop na |
stop on the spot | stop on a dime | remain stationary | remain motionless | remain in place | remain standing |
remain standing where you are | stay exactly where you are | stay standing | stay standing there | stay on your mark |
stay there and dont move | stay where you are and dont move | stay there dont move | keep perfectly still |
keep your position | keep your feet planted | feet still | legs still | stand there | stand right there |
stand stock still | stand by where you are | just stand there | stand still and wait | dont go any closer |
dont come any closer | dont come closer | dont go further | do not go any further | do not go further | dont go on |
dont walk any more | dont walk any farther | dont stir | dont twitch | dont moves | dont moove | dont moof |
you no move | move no more | not another inch | not one more inch | not one inch further | not one step more |
not one step further | not a muscle | hold your mark | hold it there | hold it right there for me |
hold still and dont move | hit the pause button | pause your movement | pause the walk | pause the motion |
pause what youre doing | knock that off | freeze frame | freeze where you stand | freeze right there |
freeze like that | musical statues | refrain from moving | ease to a halt | grind to a halt | bring it to a stop |
bring it to a halt | put a stop to it | call a halt | squad halt | avast moving | turn to stone | plant your feet |
plant your paws | root yourself to the spot | stopmove | stopit | stopp it | stob | stob it | freese | freez it |
top stop | stop sto | stock right there | stock moving | top moving | stop wear you are | freeze where you our |
halt ed | holed it right there | hole steel | hold steel | ho lit right there | you stop now | you stop here |
you stopping now | you may cease | you can stop now | motionless please | standstill | complete stop | dead stop |
full halt | as you were freeze | keep stock still | be as still as a rock | be a lamppost | could you stay still |
stay still for me | hold hard | heave to | nobody moves | nobody move and that means you too | make it stop |
make stop | stop the machine | stop top | stop p | stop stopped | stop stopping | stop st |
hole position | hold position there
"""
"""Cease motion, whatever is going on."""

FAINT = """
abort | belay that | cut | break off | dont walk | do not walk | abort abort
"""
"""The same, but they may mean something else too: the robot ceases, and the classifier says what they are."""

WEAK = """
stay | stay there | wait | wait there | wait right there | hold on | hold up | pause | enough | thats enough |
thats enough now | enough now | no more | thatll do | time out | hold | stay put | hold your horses | hold that |
red light | finish | control c | ctrl c | statue | still | wait up | hang on | hold everything | leave off |
give over | give it a rest | let up | pull over | pull up | anchors | drop anchor | timeout | hit pause |
press pause | and wait | break off
"""
"""Cease motion when nothing but openings and closings is around; with more they are fillers."""

CEASE = """
stop being so jumpy | stop all that | enough dancing | thats enough dancing | thats enough jumping |
thats enough spinning | thats quite enough | quit following me | stop following me | lay off the jumping |
lay off the dancing | stop walking about | stop prancing | stop chasing | stop barking at me and stop |
stop with the spinning | stop with the dancing | stop with the jumping | enough with the flips | no more flips |
no more turns | no more somersaults | knock it off with the walking | cut it out with the dancing | stop tapping |
stop following | stop backing up | quit backing up | quit fidgeting | stop fidgeting | enough pirouettes |
thats enough of that
"""
"""End a named activity."""

DAMP = """
emergency stop | emergency , stop | e stop | estop | emergency halt | emergency shutoff | emergency shut off |
emergency cutoff | emergency kill | stop emergency | stop , emergency | kill switch | emergency off | panic stop |
crash stop | hit the kill switch | emergency brake and cut the motors | go limp | limp mode | go floppy | go slack |
go soft | collapse now | damp | damp now | damp mode | damp yourself | damp the motors | damping | damping mode |
enter damp | enter damp mode | enter damping | enter damping mode | switch to damp | switch to damp mode |
switch to damping | switch to damping mode | go to damp mode | go to damping mode | go into damp mode |
go into damping mode | go damp | dampen | dampen the motors | passive mode | release your joints |
release all joints | release the joints | relax all joints | relax your joints | relax your motors |
relax the motors | relax all motors | unlock your joints | zero torque | zero torque mode | torque off | torques off |
servos off | servo off | motors off | motor off | motors off now | motor power off | power off the motors |
power off motors | cut the power | cut power | kill the power | kill power | kill the drive | kill it the motors |
soft e stop | soft estop | trip the estop | trip the e stop | e stop this thing | hit the estop | hit the e stop |
emergency top | a mergency stop | mergency stop | emerge and see stop | ease top | damn ping mode |
zero torque on all joints | drop torque | drop torque on every leg | kill torque | kill the torque |
take the torque off | take torque off | joint torque to zero | torque to zero | disarm the motors | motors to idle |
idle the motors | drives off | actuators off | motors down | motors free | safe state now | backdrivable mode |
backdrive mode | no power to the motors | set joints to damping | switch the joints to damping |
set the joints to damping | send the damp command | damp command | go in to damp mode | put it in damp |
put yourself in damp mode | put the legs in passive mode | passive mode now | damp the joints | damp the joints now |
damp all joints | damp all twelve motors | damp all motors | open the motor relay | ragdoll | ragdoll mode |
be a rag doll | go ragdoll | go full ragdoll | go full noodle | go dead weight | go dead | limp | limp now |
limp please | all floppy | release the legs | release your legs | unlock the joints | unlock all joints |
loosen your joints | loosen all your joints | relax every joint | turn your legs off | turn off your legs |
power off your legs | kill your legs | cut your legs | kill power to your legs | motor off now |
release motor tension | pull the plug on the motors | pull the plug on those motors | let go of your motors |
motor soft | motors soft | motor no power | cut drive power | cut drive to all four legs | shut off leg power |
cut leg power | deactivate the motors | deactivate motors | deactivate the motor drivers | disable all actuators |
disable motor torque | disable torque | emergency stopp | emergency stob | emergency stopped | emergency stopping |
emergence stop | emergen see stop | emergency sea stop | emergensy stop | imagine see stop | emergencyy stop |
ee stop | e stob | e stop it | e stop it now | panic button | the panic button | mushroom button |
mushroom button now | red button | red button now | push the big red button | push the red button |
hit the red button | big red button | dead mans switch | deadman switch | safe torque off | sto now |
category zero stop | stop category zero | stop category zero now | soft emergency stop | emergency shutdown |
emergency shut down | emergency cut | no torque | no torque please | no motor torque | zero current |
zero resistance | torques to zero | all joints zero torque | set torque to zero | set all torque to zero |
set all joint torque to zero | set joint torque to zero | motors to zero | motors dead | motors dead now |
dead motors | motors of | motor is off | all motors off | all motors dead | motors off all of them | all force off |
no power to the legs | no power in the legs | no power in your legs | legs off | legs off now | joints off |
joints in neutral | motors in neutral | put the motors in neutral | put the joints in neutral | all limp |
all joints limp | all joints loose | all joints off | make all joints limp | joints limp | soft joints | soft legs |
floppy legs | floppy legs now | dead legs | jelly legs | turn to jelly | go boneless | boneless |
go dead in the legs | go lymph | go limb | go l limp | limb please | limp moat | damp moat | damp mowed |
damping mowed | dumping mode | damp in mode | go passive | go fully limp | set damping | set damping mode |
set damp mode | set mode to damp | enable damping | enable damping mode | enable damp mode | start damping |
start damping mode | use damping mode | turn on damping | turn on damping mode | damp mode on | damping mode on |
put yourself in damping | put yourself in damping mode | put yourself into damp mode | put it into damping |
put it in damping mode | put the joints in damping mode | put the joints into damping mode |
put the motors in damping mode | enter the damping state | enter passive mode | switch to passive mode |
switch to passive damping | switch into damping mode | switch into damp mode | go to damping | go into damping |
back to damping | back to damping mode | compliant mode | back drivable mode | tork off | talk off i mean torque off |
declutch | disarm | crumple | collapse | let yourself collapse | kill the moters | kill the mode ors |
kill the motor s | killed the motors | cut the mow tours | break the motor circuit | open the motor contactors |
trip the motor breaker | trip the breaker | scram the drives | motors coast | coast the motors | let the motors go |
let your motors go | let the motors go free | let your joints swing free | turn all your motors off |
switch all your motors off | turn your legs off now | e stop now | the e stop now | hit the e stop now |
kill everything | cut everything | current off | force off | all force out of the motors | release the drives |
rag doll | like a rag doll | boneless now | motors aff | emergency motor cut | emergency cut the motors |
emergency shut off the motors | emergency shut off of the motors | emergency shutoff of the motors |
emergency shutdown motors | emergency shutdown of the motors | emergency shutoff on the motors | motor release |
make legs soft | legs soft | set all joints to damping | set all joints passive | off the motors | off the motor |
off all your motors | off your motors | off off motors off | this is an emergency stop | its an emergency stop |
go limp for me | limp for me | execute an emergency stop
"""
"""Motors off."""

REASON = """
you | youre | youll | youve | youd | i | im | ill | ive | we | were | theres | there is | there are | here is | its |
watch out | watch it | look out | look | careful | or | because | cause | before you | before i | before someone |
and | then | dont | danger | what are you doing | mind the | no | thats | so i | so we | so that | that tickles |
tickles | it tickles | let her | let him | let the | before it | before somebody | before anyone | ive got |
im going | im about | i smell | mommy | mummy | my hand | my foot | my finger | my fingers | my leg | my tail |
his hand | his foot | his finger | his fingers | his leg | her hand | her foot | her finger | her fingers | her hair |
her leg | the babys | somebodys | someones | the edge | wet floor | a kid | a child | kids | youre too | you are |
its too | it hurts | the stairs | the cable
"""
"""Begin the reason for a stop without a pause before it."""

GERUNDS = """
moving walking running jumping hopping spinning turning rotating twirling circling dancing wiggling waving rolling
going advancing reversing backing strafing sidestepping marching trotting pacing wandering twerking stretching bowing
pouncing leaping bouncing flipping shaking wobbling charging driving sliding creeping coming following jiggling
drifting prancing twitching trembling galloping chasing strutting wagging pirouetting lunging fidgeting wriggling
swaying nodding bobbing skipping tapping stomping hobbling barging cavorting capering bucking rearing pawing
"""
"""Activities of the body that "stop" can end; others ("stop looking", "stop resting") are no stop."""

CEASERS = """
stop | quit | cease | stop all | stop this | stop that | stop your | enough | no more | enough with the |
cut out the | would you mind stopping | lay off the | quit this | give over | leave off | end the | would you stop |
desist from | refrain from | knock off the | give up the | stop with the | leave off the | pack in the |
cut out that | stop with that | quit your | cease your | cease the | stop the | quit that | quit all that |
thats enough | thats plenty of
"""
"""Before a gerund."""

CUTTERS = """
kill | cut | cut off | disable | shut off | switch off | turn off | shut down | power down | disengage | release |
disconnect | drop | de energize | deenergize | de energise | deenergise |
power off | depower | deactivate | disarm | unpower | free | relax |
loosen | unload | turn loose | let go of | damp | dampen | remove | knock off | zero | stop | coast | freewheel |
slacken | soften | unlock | shut | chop | drop out | safe off | pull | take | lose | ease off | let go off |
switch of | turn of
"""
"""Verbs that take the power from motors."""

SWITCHERS = """
turn | switch | shut | cut | power | knock | take | put | get | have | make | let
"""
"""Verbs before motors and a word of `OFF`: "turn the motors off"."""

OFF = """
off | down | dead | loose | slack | limp | out | free | to zero
"""
"""Without power, after the motors."""

MOTORS = """
the motors | motors | your motors | all motors | all the motors | all your motors | the motor | motor | your motor |
motor power | the motor power | the power to the motors | power to the motors | power to your motors |
power to all motors | power to the legs | the engines | the engine | the servos | all servos | your servos |
the actuators | the drives | the legs motors | leg motors | your leg motors | the leg motors | all the joints |
torque | the torque | motor torque | all torque | actuators | the servo motors | the motor drivers | motor drivers |
the motor current | the joint motors | every motor | these motors | those motors | them motors | all them motors |
the joints | your joints | joints | all joints | all your joints | every joint | joint power | joint torque |
all joint torque | joint torques | drive power | leg power | all leg power | your drives | your actuators |
all actuators | all the actuators | motor output | motor outputs | motor control | your legs | the legs |
all your legs | power to your legs | power to the joints | the power to your legs | the power to the legs |
the power to the joints | the power to your motors | power to the actuators | the current to the motors |
the current to the legs | the juice to your legs | the drive | the servo power | power from the motors |
the power from the motors | torque on all joints | the torque on all joints | torque on the motors |
power of the motors | the power of the motors | its motors | his motors | the dogs motors | the bloody motors |
power to them motors | them legs | all tension | all tension in the legs | all tension in the actuators |
the tension in your legs | the torque in your legs | power to your limbs | your motors power | the motors power |
the motor relays | the drive current | the motor currents | the plug on the motors | the plug on your motors |
the plug on those legs
"""
"""What drives the robot."""

LIMPERS = """
go | be | get | turn | become | go all | go completely | go totally | let yourself go | let your legs go |
let the legs go | let all your joints go | let your joints go | let the joints go | make yourself | make your legs |
make the legs | let everything hang | go fully | all | make | make all joints | make all the joints |
make your joints | make your legs go | let your legs go all | let all your legs go | let your whole body go |
go nice and | go on and go | let the joints go completely | keep
"""
"""Before a limp word."""

LIMP = """
limp floppy slack loose soft
"""
"""Without force."""
