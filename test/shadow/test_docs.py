"""The example of docs/shadowpeft.md, as it stands there, on a tiny model; and what docstrings must say."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_batch, make_llama
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from shadow_intent import shadow
from shadow_intent.shadow import load_shadow

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "shadowpeft.md"
LIBRARY = Path(__file__).resolve().parents[2] / "shadow_intent" / "shadow"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_the_example_runs_and_leaves_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    assert MODEL in example
    base = make_llama()
    base.save_pretrained(tmp_path / "base")
    words = {
        word: number
        for number, word in enumerate(["[UNK]", "The", "robot", "sits", "down", ",", "then", "it", "waves", "."])
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    ids, mask = make_batch("right")
    real = mask.bool()
    parts = re.split(r"^(?=model = |theirs = )", example.replace(MODEL, "base"), flags=re.MULTILINE)
    loading, training, handing_over = (compile(part, str(DOCUMENT), "exec") for part in parts)

    def say(model: Any) -> Tensor:
        with torch.no_grad():
            return model(ids, attention_mask=mask).logits

    exec(loading, names)
    before = say(names["base"])
    exec(training, names)
    attached = say(names["model"])
    assert (attached - before)[real].abs().max() > 1e-4
    assert torch.equal(say(names["model"].detach()), before)
    exec(handing_over, names)

    theirs = say(names["theirs"].eval())[real]
    ours = load_shadow("my-shadow", base).attach(base).eval()
    torch.testing.assert_close(attached[real], theirs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(say(ours)[real], theirs, atol=1e-5, rtol=1e-5)
    small = say(AutoModelForCausalLM.from_pretrained("my-small-model"))
    with torch.no_grad():
        alone = base.lm_head(ours.network(ids, mask))
    torch.testing.assert_close(small[real], alone[real], atol=1e-5, rtol=1e-5)
    assert names["written"].written == 8


def public(node: ast.Module | ast.ClassDef) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Functions and methods one may call, with their docstring; that of the class is also its constructor's."""
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public(child)
        elif isinstance(child, ast.FunctionDef):
            made = child.name in ("__init__", "__post_init__")
            told = "\n".join(ast.get_docstring(part) or "" for part in ((node, child) if made else (child,))).strip()
            if made or not child.name.startswith("_"):
                yield child, told


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.py")), ids=lambda file: file.stem)
def test_what_is_public_says_its_errors_and_shapes(file: Path) -> None:
    for function, told in public(ast.parse(file.read_text(encoding="utf-8"))):
        where = f"{file.name}:{function.lineno}: {function.name}"
        assert told, f"{where} has no docstring"
        raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc]
        names = {error.func.id for error in raised if isinstance(error, ast.Call) and isinstance(error.func, ast.Name)}
        assert not [name for name in names if name not in told], f"{where} does not say that it raises {names}"
        gives = ast.unparse(function.returns) if function.returns else ""
        shaped = re.search(r"\([\w.*' ]+,[^)]*\)|[Ss]calar|As that of", told)
        assert not gives.startswith("Tensor") or shaped, f"{where} does not say the shape of what it returns"


def shaped(argument: str, told: str) -> bool:
    """Whether a line names the argument beside a shape or another docstring, or all are said to be another's."""
    if re.search(r"^As (that of )?`|[Aa]rguments as `|Same arguments", told):
        return True
    lines = [line for line in told.splitlines() if re.search(rf"\b{argument}\b", line)]
    shape = r"\([\w.*+' ]+,[^)]*\)|\(\.\.\.\)|[Ss]calar|any shape|[Ss]ee `|[Aa]s (in |that of )?`"
    return any(re.search(shape, line) for line in lines)


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.py")), ids=lambda file: file.stem)
def test_what_is_public_says_the_shapes_it_takes(file: Path) -> None:
    for function, told in public(ast.parse(file.read_text(encoding="utf-8"))):
        given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        tensors = [a.arg for a in given if a.annotation and re.search(r"\bTensor\b", ast.unparse(a.annotation))]
        missing = [name for name in tensors if not shaped(name, told)]
        assert not missing, f"{file.name}:{function.lineno}: {function.name} does not say the shape of {missing}"


def test_forwards_and_losses_cite_their_equation() -> None:
    exported = {name: getattr(shadow, name) for name in shadow.__all__}
    modules = [made for made in exported.values() if inspect.isclass(made) and issubclass(made, nn.Module)]
    forwards = [made.forward for made in modules if "forward" in vars(made)]
    losses = [made for name, made in exported.items() if name.endswith("_loss")]
    assert forwards and losses
    for function in forwards + losses:
        assert re.search(r"\(\d\)|No part of the paper", function.__doc__ or ""), function.__qualname__
