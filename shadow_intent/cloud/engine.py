"""Base and attached shadow: one request in, a reply and a plan out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from shadow_intent.bundle import Bundle
from shadow_intent.clauses import ClauseReader
from shadow_intent.cloud import plan
from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.cloud.config import CloudConfig
from shadow_intent.cloud.decode import PlanGrammar
from shadow_intent.cloud.plan import Answer, Step
from shadow_intent.errors import BundleError, CloudUnavailable, PlanError
from shadow_intent.intent import is_chinese
from shadow_intent.pipeline import Pipeline
from shadow_intent.shadow import CheckpointError, load_shadow
from shadow_intent.skills import SkillTable, load_skills

FIXED = {
    "zh": ("好的，我会{steps}。", "然后", "抱歉，这个问题我现在还不能用中文回答。"),
    "en": ("All right: {steps}.", ", then ", "Sorry, I have no answer to that yet."),
}
"""By language: the reply to a plan, what joins its steps, and the reply without one."""

WARM_UP = "hello"
"""Answered once while loading: the first generation is the slowest, and a broken model shows before anyone waits."""

OnText = Callable[[str], None]


class Engine:
    """Greedy attached generation with a key-value cache for base and shadow; one request at a time."""

    def __init__(self, config: CloudConfig) -> None:
        """Loads everything. Raises BundleError or ConfigError."""
        if config.threads:
            torch.set_num_threads(config.threads)
        self.config = config
        self.bundle = Bundle.load(config.bundle)
        self.skills: SkillTable = load_skills()
        base = load_base(config.base, getattr(torch, config.dtype))
        self.tokenizer: Any = load_tokenizer(config.base)
        try:
            self.model = load_shadow(self.bundle.path, base).attach(base).eval()
        except CheckpointError as error:
            raise BundleError(f"{self.bundle.path}: {error}; train a bundle on base {config.base!r}") from error
        if config.prepack:
            self.model.prepack()
        self._grammar = PlanGrammar(self.skills, self.tokenizer.get_vocab())
        self.clauses: ClauseReader | None = None
        """Asked first for the plan."""
        if config.read_clauses:
            self.clauses = ClauseReader(Pipeline.from_bundle(self.bundle, self.skills), self.skills)
        self._generating = threading.Lock()
        self._places = threading.BoundedSemaphore(config.max_waiting + 1)
        self.answer(WARM_UP, lambda _: None, lambda: False)

    def answer(self, text: str, on_text: OnText, cancelled: Callable[[], bool]) -> Answer:
        """The answer to an utterance: the plan from its clauses or else by the base, which writes the reply.

        `on_text` gets the reply so far as it grows. Nothing is generated that is not needed: in a language the base
        does not speak (`config.base_languages`) a known plan gets a fixed sentence.

        A plan that cannot be read becomes an apology without steps. Raises CloudUnavailable when too many requests wait
        or `cancelled` came true.
        """
        language = "zh" if is_chinese(text) else "en"
        speaks = language in self.config.base_languages
        with self._place():
            known = self.clauses.plan(text).steps if self.clauses else ()
            if known and not speaks:
                return Answer(fixed_reply(known, language, self.skills), known)
            written = self._generate(text, on_text if speaks else None, cancelled, plan.begin(known) if known else "")
        if cancelled():
            raise CloudUnavailable("the request was cancelled")
        try:
            answer = plan.parse(written if speaks else f"{written.strip()}\n{plan.REPLY} ", self.skills)
        except PlanError:
            return Answer(fixed_reply((), language, self.skills), ())
        steps = known or answer.steps
        reply = answer.reply if speaks and answer.reply else fixed_reply(steps, language, self.skills)
        return Answer(reply, steps)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A bounded queue before the model."""
        if not self._places.acquire(blocking=False):
            raise CloudUnavailable(f"{self.config.max_waiting + 1} requests are being answered; try again")
        try:
            with self._generating:
                yield
        finally:
            self._places.release()

    @torch.inference_mode()
    def _generate(self, text: str, on_text: OnText | None, cancelled: Callable[[], bool], begun: str = "") -> str:
        """Plan line and reply, going on from `begun`; only the plan line when `on_text` is None."""
        prompt = plan.prompt_ids(self.tokenizer, text)
        given = self.tokenizer(begun, add_special_tokens=False).input_ids if begun else []
        ids = torch.tensor([[*prompt, *given]])  # (1, T)
        writing = _Writing(self.tokenizer, len(prompt), given, on_text, cancelled)
        output = self.model.generate(
            ids,
            max_new_tokens=self.config.max_new_tokens,
            do_sample=False,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.eos_token_id,
            logits_processor=LogitsProcessorList([_PlanFirst(self.tokenizer, len(prompt), self._grammar)]),
            stopping_criteria=StoppingCriteriaList([writing.stop]),
            streamer=writing,
        )
        return str(self.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True))


def fixed_reply(steps: tuple[Step, ...], language: str, skills: SkillTable) -> str:
    """What is said where the base cannot speak: the names of the steps, or an honest apology."""
    with_plan, joint, without = FIXED[language]
    names = [skills[step.label].name[language] for step in steps]
    return with_plan.format(steps=joint.join(names)) if names else without


class _PlanFirst(LogitsProcessor):
    """Until the reply begins, only tokens that can still become a plan keep their score."""

    def __init__(self, tokenizer: Any, prompt_length: int, grammar: PlanGrammar) -> None:
        self._tokenizer, self._start, self._grammar = tokenizer, prompt_length, grammar

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids (1, T), scores (1, V)."""
        written = self._tokenizer.decode(input_ids[0, self._start :], skip_special_tokens=True)
        if plan.reply_begun(written):
            return scores
        allowed = torch.tensor(self._grammar.allowed(written), device=scores.device)
        masked = torch.full_like(scores, float("-inf"))
        masked[:, allowed] = scores[:, allowed]
        return masked


class _Writing(BaseStreamer):
    """Follows the tokens as they come: hands on the reply so far, and stops when nobody waits for it any more."""

    def __init__(
        self,
        tokenizer: Any,
        prompt_length: int,
        given: Sequence[int],
        on_text: OnText | None,
        cancelled: Callable[[], bool],
    ) -> None:
        """`given`: what the answer begins with, behind the prompt."""
        self._tokenizer, self._on_text = tokenizer, on_text
        self._ids = list(given)
        self._prompt_seen = False
        self.stop = _Stop(tokenizer, prompt_length, on_text is None, cancelled)

    def put(self, value: Tensor) -> None:
        if not self._prompt_seen:  # generate hands over the prompt first
            self._prompt_seen = True
            return
        self._ids += value.flatten().tolist()
        if self._on_text is not None:
            written = self._tokenizer.decode(self._ids, skip_special_tokens=True)
            if plan.reply_begun(written):
                self._on_text(plan.clean(written.partition(plan.REPLY)[2]))

    def end(self) -> None:
        """Nothing is held back."""


class _Stop(StoppingCriteria):
    """True when the request was cancelled, or the plan line is complete and no reply is wanted."""

    def __init__(self, tokenizer: Any, prompt_length: int, plan_only: bool, cancelled: Callable[[], bool]) -> None:
        self._tokenizer, self._start = tokenizer, prompt_length
        self._plan_only, self._cancelled = plan_only, cancelled

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        done = self._cancelled()
        if self._plan_only and not done:
            done = "\n" in self._tokenizer.decode(input_ids[0, self._start :])
        return torch.full((input_ids.shape[0],), done, dtype=torch.bool, device=input_ids.device)
