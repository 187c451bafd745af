"""Writes the files of test_regression.py. Run it only when a format changes on purpose.

A tiny base, a shadow for each of its cases, and what they said when the files were written.
The folders called -peer are in the formats of shadow-peft and peft, but written by our own savers: they hold on to what
our savers and loaders make of those formats. What the peers write is in test_exchange.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from shadow_intent.shadow import (
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    attach,
    save_peft,
    save_projected,
    save_shadow,
    save_shadow_peft,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from test_regression import CASES, say  # noqa: E402
from tiny import excite  # noqa: E402


def main() -> None:
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    base = LlamaForCausalLM(config).eval()
    excite(base, 0.4)
    base.save_pretrained(HERE / "base")
    for name, (settings, sizes) in CASES.items():
        dialect = name.partition("-")[0]
        own = {"dialect": dialect, "num_layers": 1, "rank": 3, "gate_width": 2, "alpha": 0.5, "num_labels": 3}
        numbers = ShadowConfig(**own, **settings)
        model = attach(base, ShadowNetwork.random(base, numbers, **sizes), numbers).eval()
        excite(model.shadow, 0.4)
        shadow = Shadow.of(model)
        save_shadow(HERE / name, shadow, base)
        if name == "paper":
            save_shadow_peft(HERE / f"{name}-peer", shadow, base)
        elif name == "peft":
            save_peft(HERE / f"{name}-peer", shadow, base)
        elif name == "paper-projected":
            save_projected(HERE / f"{name}-peer", shadow.network, base)
        with torch.no_grad():
            told = say(model)
        save_file({key: value.contiguous() for key, value in told.items()}, HERE / name / "told.safetensors")
        base = model.detach()


if __name__ == "__main__":
    main()
