"""What mmsegmentation calls the modules of the rivals.

The published backbones `resnet18_v1c`, `resnet50_v1c` and `hrnetv2_w18` have the names
of its encoders. Each row is a pattern in our name of a module, and what stands for it;
ours count from 1, and theirs mostly from 0. The rows are applied in turn.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

_Rows = tuple[tuple[str, str | Callable[..., str]], ...]

_ENCODER: _Rows = (
    (r'stem_(\d)/conv', lambda n: f'stem.{3 * n - 3}'),
    (r'stem_(\d)/norm', lambda n: f'stem.{3 * n - 2}'),
    (r'branch_(\d)_block_(\d+)', lambda i, b: f'branches.{i - 1}.{b - 1}'),
    (r'stage_(\d)_block_(\d+)', lambda s, b: f'layer{s}.{b - 1}'),
    (r'stage_(\d)_module_(\d+)', lambda s, m: f'stage{s}.{m - 1}'),
    (r'transition_(\d)_(\d)', lambda t, i: f'transition{t}.{i - 1}'),
    (r'fuse_(\d)_(\d)', lambda i, j: f'fuse_layers.{i - 1}.{j - 1}'),
    (r'(?<=\d)_(\d)(?=/)', lambda step: f'.{step - 1}'),  # of a chain
    (r'conv_(\d)/conv', lambda n: f'conv{n}'),
    (r'conv_(\d)/norm', lambda n: f'bn{n}'),
    (r'projection', 'downsample'),
    (r'/conv$', '.0'),
    (r'/norm$', '.1'),
    (r'/', '.'),
)
_DECODER: _Rows = (
    (r'conv_(\d)', lambda n: f'convs.{n - 1}'),  # FCN
    (r'fusion', 'conv_cat'),
    (r'^pool_(\d)', lambda n: f'psp_modules.{n - 1}.1'),  # PSPNet
    (r'image_pool', 'image_pool.1'),  # DeepLabV3+
    (r'pyramid_(\d)', lambda n: f'aspp_modules.{n - 1}'),
    (r'detail', 'c1_bottleneck'),
    (r'refine_(\d)', lambda n: f'sep_bottleneck.{n - 1}'),
    (r'depthwise_norm', 'depthwise_conv.bn'),
    (r'depthwise$', 'depthwise_conv.conv'),
    (r'pointwise', 'pointwise_conv'),
    (r'^position', 'pam'),  # DANet
    (r'^channel', 'cam'),
    (r'(?<=am)_(in|out)', r'_\1_conv'),
    (r'(?<=am)/(query|key|value)', r'.\1_project'),
    (r'(?<=am)/gamma', '.gamma.scale'),
    (r'^coarse', '0'),  # OCRNet
    (r'^fine', '1'),
    (r'context/(query|key)_1', r'context/\1_project.0'),
    (r'context/(query|key)_2', r'context/\1_project.1'),
    (r'context/(value|out)', r'context/\1_project'),
    (r'context', 'object_context_block'),
    (r'classifier', 'conv_seg'),
    (r'/norm$', '.bn'),
    (r'/', '.'),
)
_PREFIXES = {'decoder': 'decode_head.', 'auxiliary': 'auxiliary_head.'}
_PLAIN_STEM = (64, 3, 7, 7)


def rival_module(part: str, module: str, *, encoder_prefix: str) -> str:
    """mmsegmentation's name of a module, or of a parameter outside of one.

    Args:
        part: 'encoder', 'decoder' or 'auxiliary'.
        module: our path in it, such as 'stage_1_block_2/conv_1/norm'.
        encoder_prefix: what the encoder's names start with.

    Returns:
        Such as 'backbone.layer1.1.bn1'; for what is no rival's, a name of nothing.
    """
    is_encoder = part == 'encoder'
    for pattern, replacement in _ENCODER if is_encoder else _DECODER:
        module = re.sub(pattern, _writer(replacement), module)
    return (encoder_prefix if is_encoder else _PREFIXES[part]) + module


def plain_stem(weights: Mapping[str, np.ndarray]) -> str | None:
    """The kernel of a ResNet's stem that is one convolution, not the three of V1c.

    Args:
        weights: arrays by the names of torchvision or mmsegmentation, with any prefix.

    Returns:
        Its name, such as 'conv1.weight'; None if there is none.
    """
    names = (n for n in weights if f'.{n}'.endswith('.conv1.weight'))
    return next((n for n in names if weights[n].shape == _PLAIN_STEM), None)


def _writer(
    replacement: str | Callable[..., str],
) -> str | Callable[[re.Match[str]], str]:
    """A function of numbers, as `re.sub` calls it."""
    if isinstance(replacement, str):
        return replacement
    return lambda match: replacement(*map(int, match.groups()))
