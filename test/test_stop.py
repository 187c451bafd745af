"""What the model-free matcher hears as stop, as damp, and as neither."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT, sections

from shadow_intent import stop
from shadow_intent.intent import MAX_UTTERANCE_CHARS
from shadow_intent.stop import Stop, find, match

PHRASES = sections(ROOT / "test" / "stop_list.txt")
STOP, DAMP = PHRASES["stop"], PHRASES["damp"]


def test_the_list_is_long_in_both_languages() -> None:
    texts = [text for phrases in PHRASES.values() for text in phrases]
    assert len(texts) == len(set(texts)) >= 800
    assert sum(text.isascii() for text in texts) >= 400 <= sum(not text.isascii() for text in texts)


@pytest.mark.parametrize("text", STOP)
def test_stop_is_heard(text: str) -> None:
    found = find(text)
    assert found is not None and (found.label, found.more) == ("stop", False)
    assert found.phrase


@pytest.mark.parametrize("text", PHRASES["stop and more"])
def test_a_stop_with_something_else_ceases_motion_and_leaves_the_rest_to_the_classifier(text: str) -> None:
    found = find(text)
    assert found is not None and (found.label, found.more) == ("stop", True)


@pytest.mark.parametrize("text", PHRASES["stop first"])
def test_after_a_plain_stop_said_first_nothing_else_is_done(text: str) -> None:
    found = find(text)
    assert found is not None and found.label in ("stop", "damp") and found.more and found.first


@pytest.mark.parametrize("text", [*STOP, *DAMP, *PHRASES["stop and more"]])
def test_of_others_the_classifier_decides_what_they_are(text: str) -> None:
    found = find(text)
    assert found is not None and not found.first


@pytest.mark.parametrize("text", DAMP)
def test_damp_is_heard(text: str) -> None:
    assert match(text) == "damp"


@pytest.mark.parametrize("text", PHRASES["neither"])
def test_other_speech_is_left_to_the_classifier(text: str) -> None:
    assert match(text) is None


def test_it_says_which_words_it_heard() -> None:
    assert find("Hey robot, would you HOLD IT right there, please?") == Stop("stop", "hold it right there")
    assert find("快，停下來！") == Stop("stop", "停下来")


def test_a_question_never_drops_the_robot() -> None:
    assert match("emergency stop?") is None
    assert match("急停？") is None
    assert match("could you go limp?") == "damp"


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    assert match(text) in (None, "stop", "damp")


@given(
    st.sampled_from(STOP),
    st.sampled_from(["", " ", "\n", "  \t"]),
    st.sampled_from(["", "!", "...", "。", "！"]),
)
def test_case_space_and_punctuation_do_not_matter(text: str, space: str, end: str) -> None:
    assert match(f"{space}{text.upper()}{end}{space}") == "stop"


@given(st.sampled_from(STOP + DAMP), st.integers(2, 5))
def test_repeating_a_command_does_not_change_it(text: str, times: int) -> None:
    assert match(". ".join([text] * times)) == match(text)


def filled(start: str, unit: str, characters: int = MAX_UTTERANCE_CHARS) -> str:
    """`start` and then `unit` over and over, of exactly that many characters."""
    return (start + unit * characters)[:characters]


@pytest.mark.parametrize("text", ["", " ", ",", "!!!", "\x00", filled("", "st"), filled("", "de"), "😀" * 100])
def test_debris_is_not_a_stop(text: str) -> None:
    assert match(text) is None


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """How much `find` does with a text: words and tokens read, and phrases looked up."""
    done = 0

    def counted(owner: Any, name: str, tokens_at: int | None) -> None:
        real = getattr(owner, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1 if tokens_at is None else len(arguments[tokens_at])
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    for name, tokens_at in (("tokens_of", 0), ("longest", None), ("_command", 0)):
        counted(stop, name, tokens_at)
    counted(stop._Words, "among", 1)

    def measure(text: str) -> int:
        nonlocal done
        done = 0
        find(text)
        return done

    return measure


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        ("", "stop "),
        ("", "停"),
        ("", "um "),
        ("", "stop careful look "),
        ("停,", "等啊"),
        ("", "in a "),
        ("", "no "),
        ("断", "全部都"),
        ("", "turn the motors "),
        ("", "别转了,"),
    ],
)
def test_the_work_grows_linearly_up_to_the_longest_text(start: str, unit: str, work: Callable[[str], int]) -> None:
    whole, quarter = work(filled(start, unit)), work(filled(start, unit, MAX_UTTERANCE_CHARS // 4))
    assert MAX_UTTERANCE_CHARS // 20 <= whole <= 5 * quarter  # words; were it quadratic, 16 times


def test_a_longer_text_is_not_even_read(work: Callable[[str], int]) -> None:
    text = filled("", "stop ", MAX_UTTERANCE_CHARS + 1)
    assert find(text) is None and work(text) == 0
    assert find(text[:-1]) is not None
