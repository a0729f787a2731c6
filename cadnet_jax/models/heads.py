"""The table of heads: what builds each, what it answers, sees and is trained with.

`--head` takes the names of the table. Whoever wants to know something of a head asks
its row: a new head, or another network, is one row more. The settings read the table
too, so nothing here imports JAX before a network is built.
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from cadnet_jax.model_config import ModelConfig
    from cadnet_jax.models.cadnet import CADNet
    from cadnet_jax.models.rivals.segmenter import Segmenter
    from cadnet_jax.models.rivals.unet import UNet

Loss = Literal['cross_entropy', 'contrastive', 'contrastive_score']
Attention = Literal['intra_class', 'out_of_class']
NORM_LIMITS = 'sample', 'batch', 'running'  # see `change.MinMaxNorm`


class Builder(Protocol):
    """Makes the network of a head: a Linen module with the methods of `CADNet`."""

    def __call__(
        self, config: 'ModelConfig', num_classes: int, axis_name: str | None
    ) -> Any: ...


class Head(NamedTuple):
    """A network as the rest of the library sees it.

    Attributes:
        title: its name in tables and figures.
        answer: 'classes', a logit for each; or 'change', one score that tells no
            classes of defects apart.
        sees_reference: False: it looks at the image alone.
        has_distance: whether it has a DistMap.
        losses: see `training.losses.total_loss`.
        attention: the change-aware attention of CADNet's decoder: eqs. 11 and 12, eqs.
            13 and 14, or none.
        build: makes the network.
        auxiliary_weights: of the cross entropy of each auxiliary head.
        lone_crop_side: pixels of the smallest side of a crop that can be a batch by
            itself, with more than one value a channel in each BatchNorm; None: no crop
            can, as a BatchNorm sees the mean of it.
        counted: how its multiply-adds are counted: by a 'formula', because the network
            is computed in another form than it is published in; or from its 'program'.
        step_loads_on_cpu: whether a CPU can load its compiled training step. With one
            of 2,000 kernels, jaxlib 0.10 crashes: see `training.compiled_programs`.
    """

    title: str
    answer: Literal['classes', 'change']
    sees_reference: bool
    has_distance: bool
    losses: tuple[Loss, ...]
    attention: Attention | None
    build: Builder
    auxiliary_weights: tuple[float, ...] = ()
    lone_crop_side: int | None = 32
    counted: Literal['formula', 'program'] = 'formula'
    step_loads_on_cpu: bool = True

    def outputs(self, num_classes: int) -> int:
        """Channels of the network's logits; `num_classes` counts the background."""
        return 1 if self.answer == 'change' else num_classes


def _cadnet(config: 'ModelConfig', num_classes: int, axis_name: str | None) -> 'CADNet':
    from cadnet_jax.models.cadnet import CADNet

    return CADNet(config, num_classes, axis_name)


def _segmenter(
    config: 'ModelConfig', num_classes: int, axis_name: str | None
) -> 'Segmenter':
    from cadnet_jax.models.rivals.segmenter import DESIGNS, Segmenter

    return Segmenter(config, num_classes, DESIGNS[config.head], axis_name)


def _unet(config: 'ModelConfig', num_classes: int, axis_name: str | None) -> 'UNet':
    from cadnet_jax.models.rivals.unet import UNet

    return UNet(config, num_classes, axis_name)


_RIVAL = Head(
    title='',
    answer='classes',
    sees_reference=False,
    has_distance=False,
    losses=('cross_entropy',),
    attention=None,
    build=_segmenter,
    counted='program',
)
_AUXILIARY_WEIGHT = 0.4  # as mmsegmentation

HEADS = {
    'cad': Head(
        title='CADNet',
        answer='classes',
        sees_reference=True,
        has_distance=True,
        losses=('cross_entropy', 'contrastive'),
        attention='intra_class',
        build=_cadnet,
        lone_crop_side=33,
    ),
    'ooc': Head(
        title='CADNet, out of class',
        answer='change',
        sees_reference=True,
        has_distance=True,
        losses=('contrastive', 'contrastive_score'),
        attention='out_of_class',
        build=_cadnet,
        lone_crop_side=33,
    ),
    'plain': Head(
        title='CADNet without CAD',
        answer='classes',
        sees_reference=True,
        has_distance=True,
        losses=('cross_entropy', 'contrastive'),
        attention=None,
        build=_cadnet,
        lone_crop_side=33,
    ),
    'segformer': Head(
        title='SegFormer',
        answer='classes',
        sees_reference=False,
        has_distance=False,
        losses=('cross_entropy',),
        attention=None,
        build=_cadnet,
        lone_crop_side=33,
    ),
    'fcn': _RIVAL._replace(title='FCN', auxiliary_weights=(_AUXILIARY_WEIGHT,)),
    'pspnet': _RIVAL._replace(
        title='PSPNet', auxiliary_weights=(_AUXILIARY_WEIGHT,), lone_crop_side=None
    ),
    'deeplabv3plus': _RIVAL._replace(
        title='DeepLabV3+', auxiliary_weights=(_AUXILIARY_WEIGHT,), lone_crop_side=None
    ),
    # Those of its two branches, and the auxiliary head's.
    'danet': _RIVAL._replace(
        title='DANet', auxiliary_weights=(1.0, 1.0, _AUXILIARY_WEIGHT)
    ),
    'ocrnet': _RIVAL._replace(
        title='OCRNet',
        auxiliary_weights=(_AUXILIARY_WEIGHT,),
        lone_crop_side=33,
        step_loads_on_cpu=False,
    ),
    'unet': _RIVAL._replace(title='U-Net', build=_unet),
    'fc_siam_diff': _RIVAL._replace(
        title='FC-Siam-diff', sees_reference=True, build=_unet
    ),
}


def describe_heads() -> str:
    """What each head is, in a line for `--help`."""
    return '; '.join(f'{name}: {_describe(head)}' for name, head in HEADS.items())


def _describe(head: Head) -> str:
    if head.answer == 'change':
        return f'{head.title} (one change score, no classes)'
    return head.title if head.sees_reference else f'{head.title} (appearance alone)'
