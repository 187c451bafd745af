"""A tiny base that was really taught a few answers, a bundle with a shadow for it, and servers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from strategies import make_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from shadow_intent import bundle as layout
from shadow_intent.bundle import Manifest, write_manifest
from shadow_intent.cloud import intent_pb2, plan
from shadow_intent.cloud.client import CloudClient
from shadow_intent.cloud.config import CloudConfig
from shadow_intent.cloud.engine import Engine
from shadow_intent.cloud.server import create_server
from shadow_intent.route import Policy
from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, attach, save_shadow
from shadow_intent.skills import SkillTable, load_skills

LESSONS = {
    "sit then wave": "plan: sit; hello\nreply: Sitting down.",
    "why blue": "plan: none\nreply: Because of the air.",
    "坐下再打招呼": "plan: sit; hello\nreply: ok",
    "天为什么蓝": "plan: none\nreply: ok",
    "walk far": "plan: move_forward distance_m=900\nreply: Off I go.",
    "walk two": "plan: move_forward distance_m=2 speed=slow\nreply: Walking.",
    "talk on": "plan: none\nreply: " + "la " * 60,
}
"""What the tiny base is taught: request -> answer. One of them asks for more than the skill allows."""


@pytest.fixture(scope="session")
def skills() -> SkillTable:
    return load_skills()


def teach(model: LlamaForCausalLM, tokenizer: Any, steps: int = 400) -> None:
    """Fits the answers of LESSONS by heart."""
    rows = []
    for text, answer in LESSONS.items():
        prompt = plan.prompt_ids(tokenizer, text)
        rows.append((prompt, [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]))
    longest = max(len(p) + len(a) for p, a in rows)
    ids = torch.tensor([p + a + [0] * (longest - len(p) - len(a)) for p, a in rows])
    labels = torch.tensor([[-100] * len(p) + a + [-100] * (longest - len(p) - len(a)) for p, a in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    model.train()
    for _ in range(steps):
        loss = model(ids, labels=labels).loss  # padding on the right: causal attention never sees it
        if loss.item() < 0.002:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory, skills: SkillTable) -> tuple[Path, Path]:
    """Folders of a base and of a bundle with a shadow for it, written and read the way real ones are."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("cloud")
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    base = LlamaForCausalLM(config)
    teach(base, tokenizer)
    base.save_pretrained(root / "base")
    tokenizer.save_pretrained(root / "base")
    settings = ShadowConfig(num_layers=1, prefix_attention=True, num_labels=len(skills.skills))
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, settings), settings))
    save_shadow(root / "bundle", shadow, base)
    for name in layout.FILES:
        if not (root / "bundle" / name).exists():
            (root / "bundle" / name).write_text("[]")  # what only the robot reads
    write_manifest(root / "bundle", make_manifest(skills, settings))
    return root / "base", root / "bundle"


def make_manifest(skills: SkillTable, settings: ShadowConfig) -> Manifest:
    return Manifest(
        format=layout.FORMAT,
        labels=tuple(skills.skills),
        policy=Policy(accept=0.5, accept_stop=0.5, margin=0.1),
        temperature=1.0,
        max_tokens=48,
        shadow=settings.to_dict(),
        base={"name": "tiny"},
        training={},
        certificate={},
        metrics={},
        files={},
    )


@pytest.fixture(scope="session")
def make_engine(artefacts: tuple[Path, Path]) -> Callable[..., Engine]:
    """`make_engine(max_waiting=0, …)`: an engine on the tiny base, with settings of config/cloud.yaml overridden."""
    base, bundle = artefacts

    def make(**settings: Any) -> Engine:
        return Engine(
            CloudConfig.load(
                None, **{"base": str(base), "bundle": str(bundle), "threads": 1, "read_clauses": False, **settings}
            )
        )

    return make


@pytest.fixture(scope="session")
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(engine)` starts a server and returns its address."""
    with ExitStack() as stack:

        def start(engine: Any) -> str:
            server, port = create_server("127.0.0.1:0", engine)
            server.start()
            stack.callback(lambda: server.stop(0).wait())
            return f"127.0.0.1:{port}"

        yield start


@pytest.fixture
def connect(skills: SkillTable) -> Iterator[Callable[..., CloudClient]]:
    """`connect(address, deadline_s)`: a client that is closed after the test."""
    with ExitStack() as stack:
        yield lambda address, deadline_s=20.0: stack.enter_context(closing(CloudClient(address, deadline_s, skills)))


@pytest.fixture
def channel(serve: Callable[..., str], engine: Engine) -> Iterator[grpc.Channel]:
    """A bare channel to a server with the engine behind it."""
    with grpc.insecure_channel(serve(engine)) as open_channel:
        yield open_channel


@pytest.fixture
def ask() -> Callable[..., intent_pb2.Request]:
    """`ask(text)`: a request."""
    return lambda text, **fields: intent_pb2.Request(**{"utterance_id": "u1", "text": text, **fields})
