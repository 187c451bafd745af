"""The utterances: reading, checking and the fixed grouped split. `python -m training.corpus` prints the balance.

A file in training/data/utterances holds sections `[label]`; each line is one paraphrase family, wordings separated by
` | `, gold slots in braces behind a wording: `go two metres {distance_m=2}`. File names begin with en or zh.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from shadow_intent.cloud.plan import Step, checked_step
from shadow_intent.errors import InputError, PlanError
from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.skills import SkillTable, load_skills

DATA = Path(__file__).parent / "data"
NO_LABEL = ""
"""Of a text that is made up: nobody says what it means."""
UTTERANCES = DATA / "utterances"
CHALLENGE = DATA / "challenge"
REPLIES = DATA / "replies"
LANGUAGES = ("en", "zh")
NEAR_DUPLICATE = 0.8
"""Cosine of character n-grams from which two utterances of one label count as one family."""
FEWEST = 15_000
"""Unique utterances."""
MINIMUM = {"remote": 1500, "ignore": 1500}
"""Fewest unique utterances of a label in a language; 300 for all others."""
LEAST_SHARE = 0.4
"""Of each language."""

_SLOTS = re.compile(r"\s*\{([^}]*)\}\s*$")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled utterance."""

    text: str
    label: str
    language: str
    slots: Slots
    family: str
    """file:line; paraphrases of one sentence share it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request for the cloud with the answer it should give."""

    text: str
    language: str
    reply: str
    steps: tuple[Step, ...]
    family: str


def normalise(text: str) -> str:
    """What makes two utterances the same: letters and digits only, lower case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def read_file(path: Path) -> list[Example]:
    """The examples of one file. Raises InputError naming file and line."""
    language = path.name[:2]
    if language not in LANGUAGES:
        raise InputError(f"{path.name}: file names begin with {' or '.join(LANGUAGES)}")
    labels = load_skills().skills
    examples, label = [], ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line, where = line.strip(), f"{path.name}:{number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            label = line.strip("[]")
            if label not in labels:
                raise InputError(f"{where}: unknown label {label!r}")
        elif not label:
            raise InputError(f"{where}: an utterance before the first [label]")
        else:
            for wording in line.split("|"):
                text, slots = _wording(where, wording.strip())
                if text:
                    examples.append(Example(text, label, language, slots, where))
    return examples


def _wording(where: str, wording: str) -> tuple[str, Slots]:
    match = _SLOTS.search(wording)
    if not match:
        return wording, NO_SLOTS
    values: dict[str, float | int | str] = {}
    for pair in filter(None, (p.strip() for p in match.group(1).split(","))):
        name, _, raw = (part.strip() for part in pair.partition("="))
        try:
            values[name] = raw if name == "speed" else int(raw) if name == "count" else float(raw)
        except ValueError:
            raise InputError(f"{where}: slot {pair!r} is not name=number") from None
    try:
        return wording[: match.start()], Slots.from_dict(values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def read_corpus(folder: Path = UTTERANCES) -> list[Example]:
    """Every unique utterance of a folder, in file order. Raises InputError when one text has two labels."""
    seen: dict[str, Example] = {}
    clashes = []
    for path in sorted(folder.glob("*.txt")):
        for example in read_file(path):
            first = seen.setdefault(normalise(example.text) or example.text, example)
            if first.label != example.label:
                clashes.append(f"{first.text!r}: {first.label} ({first.family}) and {example.label} ({example.family})")
    if clashes:
        raise InputError("one utterance, two labels:\n  " + "\n  ".join(clashes))
    return list(seen.values())


def read_exchanges(folder: Path = REPLIES) -> list[Exchange]:
    """Every request with reply and plan; plans are checked against the skill table. Raises InputError."""
    table = load_skills()
    exchanges = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path.name}:{number}"
            try:
                row = json.loads(line)
                steps = tuple(_step(step, table) for step in row["plan"])
                exchanges.append(Exchange(row["text"], path.name[:2], row["reply"], steps, where))
            except (ValueError, KeyError, TypeError, InputError, PlanError) as error:
                raise InputError(f"{where}: {error}") from error
    return exchanges


def _step(step: Mapping[str, Any], table: SkillTable) -> Step:
    values = {name: value for name, value in step.items() if name != "skill"}
    return checked_step(step["skill"], Slots.from_dict(values), table)


def groups(examples: Sequence[Example]) -> list[str]:
    """A group per example: its family joined with every near duplicate of the same language and label.

    The group's name is its smallest normalised text, so that it survives edits elsewhere.
    """
    names = {family: i for i, family in enumerate(dict.fromkeys(e.family for e in examples))}
    rows, columns = [], []
    by_kind: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        by_kind[example.language, example.label].append(i)
    for (language, _), members in by_kind.items():
        shortest = 1 if language == "zh" else 2
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(shortest, 3), sublinear_tf=True)
        matrix = vectors.fit_transform([_comparable(examples[i].text) for i in members])
        near = NearestNeighbors(radius=1 - NEAR_DUPLICATE, metric="cosine").fit(matrix).radius_neighbors_graph(matrix)
        a, b = near.nonzero()
        rows += [names[examples[members[i]].family] for i in a]
        columns += [names[examples[members[j]].family] for j in b]
    graph = np.ones(len(rows)), (rows, columns)
    _, component = connected_components(coo_matrix(graph, shape=(len(names), len(names))), directed=False)
    smallest: dict[int, str] = {}
    for example in examples:
        c = int(component[names[example.family]])
        smallest[c] = min(smallest.get(c, "\uffff"), normalise(example.text))
    return [smallest[int(component[names[e.family]])] for e in examples]


def _comparable(text: str) -> str:
    """Numbers do not make a paraphrase: they compare equal."""
    return re.sub(r"[0-9.]+|[零一二两三四五六七八九十百半]+", "0", unicodedata.normalize("NFKC", text).lower())


def apart(examples: Sequence[Example], corpus: Sequence[Example]) -> list[Example]:
    """The examples of which the corpus holds neither the words nor a paraphrase: their groups have no member there."""
    names = groups([*corpus, *examples])
    known, words = set(names[: len(corpus)]), {normalise(e.text) for e in corpus}
    own = zip(examples, names[len(corpus) :], strict=True)
    return [e for e, name in own if name not in known and normalise(e.text) not in words]


def without(parts: Mapping[str, Sequence[Example]], reviewed: Sequence[Example]) -> dict[str, list[Example]]:
    """The parts that measure and calibrate, without what is near `reviewed`, which was trained on."""
    return {name: apart(part, reviewed) for name, part in parts.items() if name != "train"}


def read_parts() -> dict[str, list[Example]]:
    """The fixed split: `split` of the corpus, and `test`.

    `test` is held out by author: data/challenge, whose authors wrote nothing of the corpus and had not seen it, less
    every utterance of which the corpus holds a paraphrase. So no author and no family is on both sides.
    """
    corpus = read_corpus()
    return split(corpus) | {"test": apart(read_corpus(CHALLENGE), corpus)}


def split(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """train (87 %), validation (3 %) and rare (10 %) by hash of the group: no family is on two sides.

    A family held out takes every near duplicate with it, and so all of what the corpus says of some common word:
    validation is as small as a temperature and the choice between recipes allow.

    `rare` is held out too, and only thresholds are chosen on it, at the end. The corpus is written for coverage, so a
    tenth of it is mostly wordings that few people use.
    """
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "rare": []}
    for example, group in zip(examples, groups(examples), strict=True):
        draw = _draw(group, 100)
        parts["rare" if draw % 10 == 0 else "validation" if draw in (1, 11, 21) else "train"].append(example)
    return parts


def split_exchanges(exchanges: Sequence[Exchange]) -> dict[str, list[Exchange]]:
    """train (90 %) and test (10 %) by hash of the text."""
    parts: dict[str, list[Exchange]] = {"train": [], "test": []}
    for exchange in exchanges:
        parts["test" if _draw(exchange.text, 10) == 0 else "train"].append(exchange)
    return parts


def _draw(name: str, count: int) -> int:
    """One of `count`, evenly and for ever."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % count


def digest(examples: Iterable[Example], exchanges: Iterable[Exchange]) -> str:
    """SHA-256 of the data, for the bundle."""
    text = repr([tuple(map(str, (e.text, e.label, e.slots))) for e in examples])
    return hashlib.sha256((text + repr([(x.text, x.reply, x.steps) for x in exchanges])).encode()).hexdigest()


def problems(examples: Sequence[Example], exchanges: Sequence[Exchange]) -> list[str]:
    """What the data lacks."""
    counts = Counter((e.label, e.language) for e in examples)
    found = [
        f"{label}, {language}: {counts[label, language]} unique utterances, at least {needed} needed"
        for label in load_skills().skills
        for language in LANGUAGES
        if counts[label, language] < (needed := MINIMUM.get(label, 300))
    ]
    if len(examples) < FEWEST:
        found.append(f"{len(examples)} unique utterances, at least {FEWEST} needed")
    for language in LANGUAGES:
        share = sum(e.language == language for e in examples) / max(1, len(examples))
        if share < LEAST_SHARE:
            found.append(f"{language}: {share:.0%} of the utterances, at least {LEAST_SHARE:.0%} needed")
    if len(exchanges) < 600:
        found.append(f"{len(exchanges)} requests with replies, at least 600 needed")
    return found


def main() -> int:
    argparse.ArgumentParser(prog="python -m training.corpus", description="Check the training data.").parse_args()
    try:
        examples, exchanges = read_corpus(), read_exchanges()
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    parts = split(examples)
    where = {e.text: part for part, members in parts.items() for e in members}
    table = Table(title="Unique utterances")
    for column in ("label", *LANGUAGES, "with slots", *parts):
        table.add_column(column, justify="left" if column == "label" else "right")
    for label in (*load_skills().skills, ""):
        mine = [e for e in examples if label in (e.label, "")]
        sizes = [sum(e.language == language for e in mine) for language in LANGUAGES]
        sizes.append(sum(e.slots != NO_SLOTS for e in mine))
        sizes += [sum(where[e.text] == part for e in mine) for part in parts]
        table.add_row(label or "all", *map(str, sizes))
    console = Console()
    console.print(table)
    console.print(f"{len(exchanges)} requests with reply and plan; {sum(bool(x.steps) for x in exchanges)} with a plan")
    for problem in (found := problems(examples, exchanges)):
        console.print(f"[red]{problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
