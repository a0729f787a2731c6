"""What others call the parameters of `CADNet`.

Tables say for each module of ours what it is called in the published CADNet and in
mmsegmentation, in NVlabs' SegFormer (`mit_b*.pth`) and in Hugging Face's
SegformerModel. In a name, {s} counts stages and {b} blocks from 0, {n} stages from 1.
`rival_names` has the names of the other networks.
"""

import re
from typing import Literal, NamedTuple

from cadnet_jax.weights.rival_names import rival_module


class Rows(NamedTuple):
    """Rows of an array that holds query, key and value: from third to third."""

    name: str
    start: int = 0
    stop: int = 3


class _Names(NamedTuple):
    """The names of one module; of two names, one's rows stand below the other's."""

    published: str | Rows  # and mmsegmentation
    nvlabs: str
    hugging_face: str | tuple[str, str]


_IN_STAGE = {
    'patches/projection': _Names(
        'layers.{s}.0.projection',
        'patch_embed{n}.proj',
        'encoder.patch_embeddings.{s}.proj',
    ),
    'patches/norm': _Names(
        'layers.{s}.0.norm',
        'patch_embed{n}.norm',
        'encoder.patch_embeddings.{s}.layer_norm',
    ),
    'norm': _Names('layers.{s}.2', 'norm{n}', 'encoder.layer_norm.{s}'),
}
_BLOCK = _Names('layers.{s}.1.{b}.', 'block{n}.{b}.', 'encoder.block.{s}.{b}.')
_IN_BLOCK = {
    'norm_1': _Names('norm1', 'norm1', 'layer_norm_1'),
    'attention/query': _Names(
        Rows('attn.attn.in_proj_', 0, 1), 'attn.q', 'attention.self.query'
    ),
    'attention/key_value': _Names(
        Rows('attn.attn.in_proj_', 1, 3),
        'attn.kv',
        ('attention.self.key', 'attention.self.value'),
    ),
    'attention/output': _Names(
        'attn.attn.out_proj', 'attn.proj', 'attention.output.dense'
    ),
    'attention/reduction': _Names('attn.sr', 'attn.sr', 'attention.self.sr'),
    'attention/reduction_norm': _Names(
        'attn.norm', 'attn.norm', 'attention.self.layer_norm'
    ),
    'norm_2': _Names('norm2', 'norm2', 'layer_norm_2'),
    'mlp/expand': _Names('ffn.layers.0', 'mlp.fc1', 'mlp.dense1'),
    'mlp/depthwise': _Names('ffn.layers.1', 'mlp.dwconv.dwconv', 'mlp.dwconv.dwconv'),
    'mlp/contract': _Names('ffn.layers.4', 'mlp.fc2', 'mlp.dense2'),
}
_DECODER = {
    'project': 'convs.{s}.conv',
    'project_norm': 'convs.{s}.bn',
    'channel_attention/squeeze': 'cad_head.ca.fc1',
    'channel_attention/excite': 'cad_head.ca.fc2',
    'coordinate_attention/reduce': 'cad_head.hw_a.conv1',
    'coordinate_attention/norm': 'cad_head.hw_a.bn1',
    'coordinate_attention/gate_height': 'cad_head.hw_a.conv2',
    'coordinate_attention/gate_width': 'cad_head.hw_a.conv3',
    'fusion': 'fusion_conv.conv',
    'fusion_norm': 'fusion_conv.bn',
    'classifier': 'conv_seg',
}
_LEAVES = {
    'kernel': 'weight',
    'scale': 'weight',
    'bias': 'bias',
    'mean': 'running_mean',
    'var': 'running_var',
}


class Layout(NamedTuple):
    """Whose names they are.

    Attributes:
        title: for messages.
        column: the field of the tables; 'rivals': see `rival_names`.
        prefix: what the encoder's names start with.
    """

    title: str
    column: Literal['published', 'nvlabs', 'hugging_face', 'rivals']
    prefix: str

    @property
    def has_decoder(self) -> bool:
        """Whether decoders have names in this layout."""
        return self.column in ('published', 'rivals')


LAYOUTS = (
    Layout('the published CADNet and mmsegmentation', 'published', 'backbone.'),
    Layout('the published CADNet and mmsegmentation', 'published', ''),
    Layout("NVlabs' SegFormer", 'nvlabs', ''),
    Layout("NVlabs' SegFormer", 'nvlabs', 'backbone.'),
    Layout("Hugging Face's SegFormer", 'hugging_face', ''),
    Layout("Hugging Face's SegFormer", 'hugging_face', 'segformer.'),
    Layout("mmsegmentation's ResNets and HRNets", 'rivals', ''),
    Layout("mmsegmentation's ResNets and HRNets", 'rivals', 'backbone.'),
)


def origin(path: tuple[str, ...], layout: Layout) -> tuple[Rows, ...]:
    """The foreign rows that, one below the other, are our array at `path`.

    Args:
        path: ('params', 'encoder', 'stage_1_block_1', 'mlp', 'expand', 'kernel'), say.
        layout: whose names; the decoder of CADNet has those of the published one in
            all but 'rivals'.

    Returns:
        The rows; none if the layout has no such module.
    """
    _, part, *module, leaf = path
    if layout.column == 'rivals':
        return (_rival_rows(part, module, leaf, layout.prefix),)
    if leaf not in _LEAVES:  # The fusion kernel has no module of its own.
        module, leaf = [*module, leaf], 'kernel'
    name = '/'.join(module)
    if part == 'decoder':
        stage = re.search(r'_(\d)', name)
        pattern = _DECODER[name.replace(stage[0], '') if stage else name]
        number = int(stage[1]) - 1 if stage else 0
        return (Rows(f'decode_head.{pattern}.{_LEAVES[leaf]}'.format(s=number)),)
    match = re.fullmatch(r'stage_(\d)_(?:block_(\d+)/)?(.*)', name)
    modules = _IN_BLOCK if match and match[2] else _IN_STAGE
    if match is None or match[3] not in modules:
        return ()
    stage_number, block, rest = int(match[1]), match[2], match[3]
    names = getattr(modules[rest], layout.column)
    prefix = layout.prefix + (getattr(_BLOCK, layout.column) if block else '')

    def fill(rows: str | Rows) -> Rows:
        rows = Rows(rows) if isinstance(rows, str) else rows
        # PyTorch's attention has `in_proj_weight`: a parameter, not a module.
        dot = '' if rows.name.endswith('_') else '.'
        pattern = f'{prefix}{rows.name}{dot}{_LEAVES[leaf]}'
        return rows._replace(
            name=pattern.format(
                n=stage_number, s=stage_number - 1, b=int(block or 1) - 1
            )
        )

    is_pair = isinstance(names, tuple) and not isinstance(names, Rows)
    return tuple(fill(rows) for rows in (names if is_pair else (names,)))


def _rival_rows(part: str, module: list[str], leaf: str, prefix: str) -> Rows:
    if leaf not in _LEAVES:  # DANet's gammas
        name = rival_module(part, '/'.join([*module, leaf]), encoder_prefix=prefix)
        return Rows(name)
    name = rival_module(part, '/'.join(module), encoder_prefix=prefix)
    return Rows(f'{name}.{_LEAVES[leaf]}')
