"""ShadowPEFT (arXiv 2604.19254): a small shadow network steers a frozen decoder LM, and also runs on its own.

    network = ShadowNetwork.cut(base, config)      # f and P, equation (1)
    model = attach(base, network, config)          # equations (2)-(9); model.generate(...) with a cache for both
    save_shadow(folder, Shadow.of(model), base, torch.float16)
    shadow = load_shadow(folder, base)             # shadow.attach(base), shadow.detached()

Needs torch, transformers and safetensors, nothing else of this package.
"""

from .align import Alignment, align_heads
from .checkpoint import CheckpointError, load_shadow, save_shadow
from .config import ShadowConfig
from .detached import DetachedShadow
from .drafting import Speculation
from .export import DetachedLanguage, to_causal_lm, to_classifier, to_onnx
from .heads import ClassifierHeads, pool
from .layers import Adapters
from .loss import distillation_loss, joint_loss, label_loss, language_loss, next_token_loss
from .model import ShadowedModel, ShadowedOutput
from .narrow import listening, narrow
from .network import ShadowNetwork
from .optim import parameter_groups
from .pace import Costs
from .peft_folder import load_peft, save_peft
from .prefix import prefix_mask
from .pretrain import PretrainConfig, Pretraining, Stage
from .projected import load_projected, save_projected
from .shadow import Shadow, attach
from .shadow_peft_folder import load_shadow_peft, save_shadow_peft
from .speculate import Speculator, frequent_tokens

__all__ = [
    "Adapters",
    "Alignment",
    "CheckpointError",
    "ClassifierHeads",
    "Costs",
    "DetachedLanguage",
    "DetachedShadow",
    "PretrainConfig",
    "Pretraining",
    "Shadow",
    "ShadowConfig",
    "ShadowNetwork",
    "ShadowedModel",
    "ShadowedOutput",
    "Speculation",
    "Speculator",
    "Stage",
    "align_heads",
    "attach",
    "distillation_loss",
    "frequent_tokens",
    "joint_loss",
    "label_loss",
    "language_loss",
    "listening",
    "load_peft",
    "load_projected",
    "load_shadow",
    "load_shadow_peft",
    "narrow",
    "next_token_loss",
    "parameter_groups",
    "pool",
    "prefix_mask",
    "save_peft",
    "save_projected",
    "save_shadow",
    "save_shadow_peft",
    "to_causal_lm",
    "to_classifier",
    "to_onnx",
]
