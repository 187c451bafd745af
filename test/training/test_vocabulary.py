"""The robot's tokenizer is smaller than the base's and loses nothing."""

import pytest

from shadow_intent.cloud.base import load_tokenizer
from training.vocabulary import Vocabulary, prune


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return prune(load_tokenizer().backend_tokenizer, ["go forward two metres", "向左转", "请坐下"], frequent_merges=500)


@pytest.mark.parametrize("text", ["go forward two metres", "向左转九十度", "zyzzyva 龘 ñandú", "42.5 m", "what's up?"])
def test_any_text_survives_the_round_trip(vocabulary: Vocabulary, text: str) -> None:
    ids = vocabulary.tokenizer.encode(text).ids
    assert vocabulary.tokenizer.decode(ids) == text


def test_case_width_and_blanks_do_not_matter(vocabulary: Vocabulary) -> None:
    encode = vocabulary.tokenizer.encode
    assert encode("  Go   FORWARD ").ids == encode("go forward").ids == encode("ｇｏ　ｆｏｒｗａｒｄ").ids


def test_a_chinese_character_of_the_data_is_one_token(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.tokenizer.encode("向左转").ids) == 3


def test_a_word_of_the_data_keeps_the_pieces_of_the_base(vocabulary: Vocabulary) -> None:
    base = load_tokenizer().backend_tokenizer
    ids = vocabulary.tokenizer.encode("go forward two metres").ids
    assert [vocabulary.rows[i] for i in ids] == [[i] for i in base.encode("go forward two metres").ids]


def test_rows_are_far_fewer_and_each_knows_its_base_ids(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.rows) == vocabulary.tokenizer.get_vocab_size() < 2000
    assert all(vocabulary.rows) and vocabulary.new_rows
