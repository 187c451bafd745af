"""The words that join, order, soften and forbid clauses, in English and Chinese: what `clauses` looks for."""

from __future__ import annotations

import re

_NUMBER = (
    r"(?:a |an |one |the )?(?:half|quarter|third|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|\d+)"
)
JOINTS = {
    "en": re.compile(
        r"[,;!?]+|\.+(?!\d)|\b(?:and )?(?:then|after that|afterwards|finally)\b|\bfollowed by\b|\bplus\b"
        rf"|\band\b(?! {_NUMBER}\b)",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"[，,。；;、！!？?\s]+|(?:然后|接着|之后|以后|随后|最后|完了|并且|接)再?|再"
        r"|(?<=[下来起米步度秒圈躬手舞腰个好完灯懒心转轉呼])[后後](?![退空转轉面腿移撤])"
    ),
}
"""Where one clause ends and the next begins; "a metre and a half" is one quantity."""
LEAD = {
    "en": re.compile(r"^(?:(?:first|now|next|also|so|ok|okay|please|you|to|robot)\b\s*)+", re.IGNORECASE),
    "zh": re.compile(r"^(?:麻烦|请|你|先|就|也)+"),
}
TAIL = re.compile(r"(?:\s*\b(?:please|ok|okay|too))+$", re.IGNORECASE)
FIRST_OF_ALL = re.compile(r"\bfirst$", re.IGNORECASE)
"""In a later clause this turns the order round: "sit down, wave first"."""
BEYOND = re.compile(
    r"n't\b|\b(?:before|after(?! that\b)|but|or|instead|i mean|sorry|no|not|never|without|if|when|whenever|until|till|"
    r"unless|while|every|actually|rather|make (?:that|it)|hang on|scratch|skip|refuse|pretend|provided|order)\b"
    r"|[之以]前|(?<=[下来起米步度秒圈躬手舞腰个好完灯懒心])前(?![进進走行冲空移挪])|[，,、；;。！!？?\s]先"
    r"|如果|要是|时候|每|不|别|没|勿|无需|休想|忘了|差点|改|应该|我是说|或者|还是",
    re.IGNORECASE,
)
"""Words that may mean another order, another time or the contrary."""
TURNED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:but )?before (?:you )?(?P<later>[^,]+), ?(?P<sooner>.+)",
        r"(?P<sooner>.+?),? (?:but )?before (?!that\b)(?:you )?(?P<later>.+)",
        r"after (?:you |you've |you have )?(?P<sooner>[^,]+), ?(?P<later>.+)",
        r"(?P<later>.+?),? (?:but )?after (?:you |you've |you have )(?P<sooner>.+)",
        r"(?P<later>.+?)[之以]前[，, ]?[要得你]?先?(?P<sooner>.+)",
        r"等?你?(?P<sooner>.+?)完?[之以]后[，, ]?再?(?P<later>.+)",
    )
]
"""Two halves, and which is done sooner."""
ORDER = {
    "en": re.compile(
        r"(?:(?:can|could|would|will) you |please |kindly |just |quickly |slowly )*"
        r"(?:go|walk|move|step|sidestep|march|run|drive|yaw|come|slide|shuffle|strafe|creep|crawl|back|reverse"
        r"|forwards?|backwards?|ahead|advance|turn|rotate|spin|twirl|pivot|swivel|about|left|right|face|sit|take|stand|get"
        r"|rise|lie|lay|drop|crouch|dance|wave|say|greet|shake|give|bow|stretch|wiggle|roll|jump|hop|leap|pounce|pose|strike"
        r"|make|do(?! (?:i|we|you|they|dogs|robots)\b)|show|draw|act|be|back ?flip|front ?flip|hand ?stand|flip|speed"
        r"|slow(?:er)? down|faster|slower|hurry|louder|quieter|volume|speak|lights?|lamp|switch|put|enable|disable"
        r"|activate|stop|halt|recover|heart|hello|half|quarter|an?|one|two|three|four|five|\d[\d.]*)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"(?:请|麻烦|你|给我|快|慢慢|慢点|快点|轻轻)*"
        r"(?:[坐站趴躺卧蹲起立转轉左右前后後往向朝走退跑挪移平横倒进進停爬跳蹦打挥揮握比鞠作伸扭"
        r"摇搖摆擺翻滚滾扑撲做来來跟开開关關把将加减減提调調大小声聲音灯燈恢直掉原快慢两三一二四五六七八九十半0-9])"
    ),
}
"""How an order begins: talk, questions and other people's doings begin otherwise."""
SHARED = re.compile(r"\b(?:all|both|each|together)\b|[都各]|一起|同时|[?？吗嗎了过過]$", re.IGNORECASE)
"""What is said about several clauses at once, or asked."""
