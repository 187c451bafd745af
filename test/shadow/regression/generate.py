"""Writes the files of test_regression.py. Run it only when a format changes on purpose.

A tiny base, a shadow of each dialect for it, and what they said when the files were written.
The folders called -peer are in the formats of shadow-peft and peft, but written by `save_shadow_peft` and `save_peft`:
they hold on to what our savers and loaders make of those formats. What the peers write is in test_exchange.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, attach, save_peft, save_shadow, save_shadow_peft

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tiny import excite  # noqa: E402

IDS = torch.tensor([[0, 0, 5, 17, 9], [3, 11, 4, 8, 2]])
MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])


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
    for dialect, save in (("paper", save_shadow_peft), ("peft", save_peft)):
        settings = ShadowConfig(
            dialect=dialect,
            num_layers=1,
            rank=3,
            gate_width=2,
            alpha=0.5,
            num_labels=3,
            pooling="last",
            head_bias=False,
        )
        model = attach(base, ShadowNetwork.random(base, settings), settings).eval()
        excite(model.shadow, 0.4)
        shadow = Shadow.of(model)
        save_shadow(HERE / dialect, shadow, base)
        save(HERE / f"{dialect}-peer", shadow, base)
        with torch.no_grad():
            output, classes = model(IDS, attention_mask=MASK), model.classify(IDS, MASK)
        told = {"logits": output.logits, "state": output.shadow_state, "classes": classes.logits}
        told["shadow_classes"] = classes.shadow_logits
        save_file({name: value.contiguous() for name, value in told.items()}, HERE / dialect / "told.safetensors")
        base = model.detach()


if __name__ == "__main__":
    main()
