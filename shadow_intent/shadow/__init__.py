"""ShadowPEFT (arXiv 2604.19254): a small shadow network steers a frozen decoder LM, and also runs on its own.

    network = ShadowNetwork.cut(base, config)      # f and P, equation (1)
    model = attach(base, network, config)          # equations (2)-(9); model.generate(...) with a cache for both
    save_shadow(folder, Shadow.of(model), base, torch.float16)
    shadow = load_shadow(folder, base)             # shadow.attach(base), shadow.detached()

Needs torch, transformers and safetensors, nothing else of this package.
"""

from .checkpoint import CheckpointError, Shadow, load_shadow, save_shadow
from .config import ShadowConfig
from .detached import DetachedShadow
from .heads import ClassifierHeads, pool
from .layers import Adapters, moore_penrose
from .loss import joint_loss, label_loss, next_token_loss
from .model import ShadowedModel, ShadowedOutput, attach
from .network import ShadowNetwork, prefix_mask

__all__ = [
    "Adapters",
    "CheckpointError",
    "ClassifierHeads",
    "DetachedShadow",
    "Shadow",
    "ShadowConfig",
    "ShadowNetwork",
    "ShadowedModel",
    "ShadowedOutput",
    "attach",
    "joint_loss",
    "label_loss",
    "load_shadow",
    "moore_penrose",
    "next_token_loss",
    "pool",
    "prefix_mask",
    "save_shadow",
]
