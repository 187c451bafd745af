"""How good the cloud plans: `python -m training.evaluate_replies [BUNDLE]`.

Requests of the held-out tenth and of authors who wrote nothing of the corpus go through the cloud's own engine; a plan
counts as exact when every skill and every quantity is as written, and as right skills when the labels are, in order.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shadow_intent.cloud.config import CloudConfig
from shadow_intent.cloud.engine import Engine
from shadow_intent.cloud.plan import Answer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from shadow_intent.route import REMOTE
from training.corpus import CHALLENGE, LANGUAGES, Example, Exchange, apart, read_exchanges, split_exchanges
from training.evaluate import cell, share


def held_out() -> list[Exchange]:
    """What nothing was trained on and nothing chosen by: no wording of it is among the requests trained on."""
    parts = split_exchanges(read_exchanges())
    trained = [_open(x) for x in parts["train"]]
    held = parts["test"] + read_exchanges(CHALLENGE)
    own = {e.text for e in apart([_open(x) for x in held], trained)}
    return [x for x in held if x.text in own]


def _open(exchange: Exchange) -> Example:
    """The request as an utterance."""
    return Example(exchange.text, REMOTE, exchange.language, NO_SLOTS, exchange.text)


def summarise(exchanges: Sequence[Exchange], answers: Sequence[Answer], sure: Sequence[bool]) -> dict[str, Any]:
    """Shares of exact plans, of right skills, of exact ones among those done without asking, and of requests without a
    plan that got one."""
    pairs = list(zip(exchanges, answers, strict=True))
    exact = [_written(x) == _written(a) for x, a in pairs]
    labels = [[s.label for s in x.steps] == [s.label for s in a.steps] for x, a in pairs]
    planless = [a for x, a in pairs if not x.steps]
    return {
        "exact_plan": share(sum(exact), len(pairs)),
        "right_skills": share(sum(labels), len(pairs)),
        "exact_unasked": share(sum(map(all, zip(exact, sure, strict=True))), sum(sure)),
        "needless_plan": share(sum(bool(a.steps) for a in planless), len(planless)),
    }


def _written(answer: Exchange | Answer) -> list[tuple[str, dict[str, Any]]]:
    """Labels and the quantities that are named; "a bit" names none."""
    return [(step.label, step.slots.as_dict()) for step in answer.steps]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate_replies", description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="", help="bundle folder (default: the shipped one)")
    parser.add_argument("--base-alone", action="store_true", help="every plan by the base, none from clauses")
    parser.add_argument("--json", type=Path, help="also write results and answers to this file")
    arguments = parser.parse_args()
    try:
        engine = Engine(CloudConfig.load(bundle=arguments.bundle, read_clauses=not arguments.base_alone))
        exchanges = held_out()
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    answers: list[Answer] = []
    seconds, sure = [], []
    for exchange in track(exchanges, "answering", transient=True):
        start = time.perf_counter()
        answers.append(engine.answer(exchange.text, lambda _: None, lambda: False))
        seconds.append(time.perf_counter() - start)
        sure.append(engine.clauses is not None and engine.clauses.says(exchange.text, answers[-1].steps))
    results: dict[str, Any] = {}
    for language in (*LANGUAGES, "all"):
        chosen = [i for i, x in enumerate(exchanges) if language in (x.language, "all")]
        results[language] = summarise(
            [exchanges[i] for i in chosen], [answers[i] for i in chosen], [sure[i] for i in chosen]
        )
    results["seconds_p50"], results["seconds_p99"] = (round(float(np.percentile(seconds, q)), 2) for q in (50, 99))
    table = Table(
        "", "exact plan", "right skills", "exact unasked", "needless plan", title=f"{len(exchanges)} held-out requests"
    )
    for language in (*LANGUAGES, "all"):
        table.add_row(language, *map(cell, results[language].values()))
    console = Console()
    console.print(table)
    console.print(f"seconds an answer: p50 {results['seconds_p50']}, p99 {results['seconds_p99']}")
    if arguments.json:
        results["answers"] = [
            {"text": x.text, "reply": a.reply, "plan": _written(a)} for x, a in zip(exchanges, answers, strict=True)
        ]
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
