"""Settings of the network."""

import dataclasses

from cadnet_jax.config_fields import setting
from cadnet_jax.models.heads import HEADS, NORM_LIMITS, describe_heads
from cadnet_jax.ranges import RATE

VARIANTS = ('b0', 'b1', 'b2', 'b3', 'b4', 'b5')


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What network is built. The number of classes comes with the data."""

    head: str = setting(
        'cad',
        f'Network and decoder. {describe_heads()}.',
        HEADS,
    )
    variant: str = setting(
        'b0',
        'Mix Transformer, b0 (the paper) to b5 (the largest), for cad, plain, ooc and '
        'segformer.',
        VARIANTS,
    )
    drop_path: float = setting(
        0.1,
        'Largest probability of dropping a residual branch; it rises linearly from 0 '
        'over the blocks (SegFormer: 0.1).',
        range=RATE,
    )
    share_drop_path: bool = setting(
        False,
        'Draw drop path once for the two images of a pair, so an identical pair '
        'stays identical in training. The published code draws for each image.',
    )
    dropout: float = setting(
        0.1,
        'Probability of dropping a channel ahead of the classifier (SegFormer: 0.1). '
        'ocrnet drops none; unet has rates of its own, which 0 turns off; '
        'fc_siam_diff as unet.',
        range=RATE,
    )
    norm_limits: str = setting(
        'sample',
        "Limits of Norm (eq. 14), for the head 'ooc'. sample: those of each crop, and "
        'in prediction of the whole image; batch: those of all crops of a batch, as '
        "published; running: as batch, and in prediction the mean of the last batches' "
        'limits.',
        NORM_LIMITS,
    )
    dtype: str = setting(
        'float32',
        'Number format that the network computes in; parameters and losses are '
        'always float32.',
        ('float32', 'bfloat16'),
    )

    @property
    def scales_distance(self) -> bool:
        """Whether the answer depends on DistMap's range over the whole image."""
        attention = HEADS[self.head].attention
        return attention == 'out_of_class' and self.norm_limits != 'running'
