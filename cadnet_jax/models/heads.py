"""The table of heads: what builds each, what it answers, sees and is trained with.

`--head` takes the names of the table. Whoever wants to know something of a head asks
its row: a new head, or another network, is one row more. The settings read the table
too, so nothing here imports JAX before a network is built.
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from cadnet_jax.config import ModelConfig
    from cadnet_jax.models.cadnet import CADNet

Loss = Literal['cross_entropy', 'contrastive', 'contrastive_score']
Attention = Literal['intra_class', 'out_of_class']


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
        sees_reference: False: it looks at the image alone, and has no DistMap.
        losses: see `training.losses.total_loss`.
        attention: the change-aware attention of CADNet's decoder: eqs. 11 and 12, eqs.
            13 and 14, or none.
        build: makes the network.
    """

    title: str
    answer: Literal['classes', 'change']
    sees_reference: bool
    losses: tuple[Loss, ...]
    attention: Attention | None
    build: Builder

    def outputs(self, num_classes: int) -> int:
        """Channels of the network's logits; `num_classes` counts the background."""
        return 1 if self.answer == 'change' else num_classes

    @property
    def scales_distance(self) -> bool:
        """Whether the answer depends on DistMap's range over the whole image."""
        return self.attention == 'out_of_class'


def _cadnet(config: 'ModelConfig', num_classes: int, axis_name: str | None) -> 'CADNet':
    from cadnet_jax.models.cadnet import CADNet

    return CADNet(config, num_classes, axis_name)


HEADS = {
    'cad': Head(
        title='CADNet',
        answer='classes',
        sees_reference=True,
        losses=('cross_entropy', 'contrastive'),
        attention='intra_class',
        build=_cadnet,
    ),
    'ooc': Head(
        title='CADNet, out of class',
        answer='change',
        sees_reference=True,
        losses=('contrastive', 'contrastive_score'),
        attention='out_of_class',
        build=_cadnet,
    ),
    'plain': Head(
        title='CADNet without CAD',
        answer='classes',
        sees_reference=True,
        losses=('cross_entropy', 'contrastive'),
        attention=None,
        build=_cadnet,
    ),
    'segformer': Head(
        title='SegFormer',
        answer='classes',
        sees_reference=False,
        losses=('cross_entropy',),
        attention=None,
        build=_cadnet,
    ),
}
