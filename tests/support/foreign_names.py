"""Our parameters under foreign names: the way back, written apart from the library.

`nvlabs` renames; the two others start from its names, as the public converters do.
"""

import re
from typing import Any

import numpy as np
from flax import traverse_util

Weights = dict[str, np.ndarray]

_NVLABS = (
    (r'^stage_(\d)_patches\.projection', r'patch_embed\1.proj'),
    (r'^stage_(\d)_patches', r'patch_embed\1'),
    (r'^stage_(\d)_norm', r'norm\1'),
    (r'^stage_(\d)_block_', r'block\1.'),
    (r'\.norm_(\d)', r'.norm\1'),
    (r'attention\.query', 'attn.q'),
    (r'attention\.key_value', 'attn.kv'),
    (r'attention\.output', 'attn.proj'),
    (r'attention\.reduction_norm', 'attn.norm'),
    (r'attention\.reduction', 'attn.sr'),
    (r'mlp\.expand', 'mlp.fc1'),
    (r'mlp\.depthwise', 'mlp.dwconv.dwconv'),
    (r'mlp\.contract', 'mlp.fc2'),
    (r'(kernel|scale)$', 'weight'),
)
_PUBLISHED = (
    (r'^patch_embed(\d)\.proj', r'backbone.layers.\1.0.projection'),
    (r'^patch_embed(\d)\.norm', r'backbone.layers.\1.0.norm'),
    (r'^block(\d)\.', r'backbone.layers.\1.1.'),
    (r'^norm(\d)', r'backbone.layers.\1.2'),
    (r'attn\.proj', 'attn.attn.out_proj'),
    (r'mlp\.fc1', 'ffn.layers.0'),
    (r'mlp\.dwconv\.dwconv', 'ffn.layers.1'),
    (r'mlp\.fc2', 'ffn.layers.4'),
)
_HUGGING_FACE = (
    (r'norm', 'layer_norm'),
    (r'layer_norm(\d)\.(?=\w+$)', r'layer_norm_\1.'),
    (r'^layer_norm_(\d)', r'encoder.layer_norm.\1'),
    (r'^patch_embed(\d)', r'encoder.patch_embeddings.\1'),
    (r'^block(\d)\.', r'encoder.block.\1.'),
    (r'attn\.q\.', 'attention.self.query.'),
    (r'attn\.proj', 'attention.output.dense'),
    (r'attn\.', 'attention.self.'),
    (r'mlp\.fc', 'mlp.dense'),
)
_DECODER = (
    (r'project_(\d)_norm', r'convs.\1.bn'),
    (r'project_(\d)', r'convs.\1.conv'),
    (r'channel_attention\.squeeze', 'cad_head.ca.fc1'),
    (r'channel_attention\.excite', 'cad_head.ca.fc2'),
    (r'coordinate_attention\.reduce', 'cad_head.hw_a.conv1'),
    (r'coordinate_attention\.norm', 'cad_head.hw_a.bn1'),
    (r'coordinate_attention\.gate_height', 'cad_head.hw_a.conv2'),
    (r'coordinate_attention\.gate_width', 'cad_head.hw_a.conv3'),
    (r'fusion_norm', 'fusion_conv.bn'),
    (r'fusion$', 'fusion_conv.conv.weight'),
    (r'classifier', 'conv_seg'),
    (r'(kernel|scale)$', 'weight'),
    (r'(mean|var)$', r'running_\1'),
)
_COUNTED_FROM_1_HERE = r'^(backbone\.layers|encoder\.\w+|convs)\.(\d)'


def nvlabs(encoder: dict[str, Any]) -> Weights:
    """The encoder's tree under the names of NVlabs' `mit_b*.pth`."""
    flat = traverse_util.flatten_dict(encoder, sep='.')
    renamed = {_rename(name, _NVLABS): _torch(value) for name, value in flat.items()}
    return {
        re.sub(r'(?<=^block\d\.)\d+', lambda m: str(int(m[0]) - 1), name): value
        for name, value in renamed.items()
    }


def published_encoder(encoder: dict[str, Any]) -> Weights:
    """Under the published CADNet's names: query, key and value are one array."""
    weights = nvlabs(encoder)
    for name in [name for name in weights if '.attn.q.' in name]:
        query, key_value = (weights.pop(n) for n in (name, name.replace('.q.', '.kv.')))
        joined = name.replace('.attn.q.', '.attn.attn.in_proj_')
        weights[joined] = np.concatenate([query, key_value])
    return {_from_0(_rename(name, _PUBLISHED)): x for name, x in weights.items()}


def published_decoder(decoder: dict[str, Any]) -> Weights:
    """The decoder's parameters, or its statistics, under the published names."""
    flat = traverse_util.flatten_dict(decoder, sep='.')
    return {
        f'decode_head.{_from_0(_rename(name, _DECODER))}': _torch(value)
        for name, value in flat.items()
    }


def hugging_face(encoder: dict[str, Any]) -> Weights:
    """Under the names of SegformerModel: key and value are two arrays."""
    weights = nvlabs(encoder)
    for name in [name for name in weights if '.attn.kv.' in name]:
        key, value = np.split(weights.pop(name), 2)
        weights[name.replace('.kv.', '.key.')] = key
        weights[name.replace('.kv.', '.value.')] = value
    return {_from_0(_rename(name, _HUGGING_FACE)): x for name, x in weights.items()}


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _from_0(name: str) -> str:
    return re.sub(_COUNTED_FROM_1_HERE, lambda m: f'{m[1]}.{int(m[2]) - 1}', name)


def _torch(array: Any) -> np.ndarray:
    """`[H, W, I, O]` -> `[O, I, H, W]`; `[I, O]` -> `[O, I]`."""
    array = np.asarray(array)
    return np.transpose(array, (3, 2, 0, 1) if array.ndim == 4 else None)
