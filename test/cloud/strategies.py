"""What several tests of the cloud draw from, and the tokenizer they share."""

from __future__ import annotations

from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from shadow_intent.cloud.plan import Step
from shadow_intent.intent import SPEEDS, Slots
from shadow_intent.skills import NOT_PLANNABLE, load_skills

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)
TABLE = load_skills()
PLANNABLE = sorted(set(TABLE.skills) - NOT_PLANNABLE)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step the table allows, with numbers as people say them."""
    skill = TABLE[draw(st.sampled_from(PLANNABLE))]
    values: dict[str, float | int | str] = {}
    for name, bound in skill.slots.items():
        if not draw(st.booleans()):
            continue
        if name == "speed":
            values[name] = draw(st.sampled_from(SPEEDS))
        elif name == "count":
            values[name] = draw(st.integers(int(bound.min or 1), int(bound.max or 1)))
        else:
            low, high = round((bound.min or 0) * 100), round((bound.max or 0) * 100)
            values[name] = draw(st.integers(low, high)) / 100
    return Step(skill.label, Slots.from_dict(values))


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and nothing else: every text can be written, in the alphabet that GPT-2's tokenizers use."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", bos_token="<|im_start|>")
    fast.chat_template = TEMPLATE
    return fast
