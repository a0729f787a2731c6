"""Settings of the data: what is read, batches, augmentation."""

import dataclasses

from cadnet_jax.config_fields import check_settings, setting
from cadnet_jax.ranges import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE, Range


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is read, and how the training pairs are augmented."""

    data_dir: str = setting(
        '', 'Prepared data set, as experiments/prepare_data.py wrote it.', is_path=True
    )
    train_split: str = setting(
        'train', "Split to learn from; slices such as 'train[:10%]' work."
    )
    label_fraction: float = setting(
        1.0,
        'Share of the pairs of train_split to train on, above 0; the seed draws them, '
        'and a smaller share is part of a larger one.',
        range=Range(above=0, high=1),
    )
    leave_out: str = setting(
        '',
        'Groups of train_split to leave out of training, separated by commas: they '
        'are products that the run never sees, for a test on new ones.',
    )
    eval_split: str = setting('val', 'Split that is evaluated during training.')
    batch_size: int = setting(
        4,
        'Pairs in a training step, over all devices.',
        range=AT_LEAST_ONE,
    )
    eval_batch_size: int = setting(
        4,
        'Pairs that are evaluated together.',
        range=AT_LEAST_ONE,
    )
    crop_size: int = setting(
        512,
        'Side of the square training crop, in pixels.',
        range=AT_LEAST_ONE,
    )
    scale_min: float = setting(
        0.5,
        'Smallest factor of the random resize ahead of the crop (SegFormer: 0.5).',
        range=POSITIVE,
    )
    scale_max: float = setting(
        2.0,
        'Largest factor of the random resize ahead of the crop (SegFormer: 2.0).',
        range=POSITIVE,
    )
    defect_crop_fraction: float = setting(
        0.8,
        'Share of the training crops that are placed around a random labeled defect, '
        'where the pair has one; the others are placed uniformly.',
        range=FRACTION,
    )
    unchanged_fraction: float = setting(
        -1.0,
        'Share of the crops of each batch that come from pairs without a defect pixel, '
        'rounded to whole crops; the others come from pairs with one. '
        'defect_crop_fraction says how many of these are placed around a defect. '
        '-1: pairs as they come.',
        range=Range(low=0, high=1, off=-1),
    )
    hard_candidates: int = setting(
        1,
        'For each unchanged crop that a step learns from, this many are drawn, and the '
        'hardest of them are taken: those with the most probable defects, by the mean '
        'over the highest 1 % of their pixels. Needs unchanged_fraction. 1: all.',
        range=AT_LEAST_ONE,
    )
    paint_defects: bool = setting(
        False,
        'Paint changes into good pairs, so they can be learned from without a '
        'label: half of the training crops get one to three, in the image or in the '
        'reference, as pixels of the class of defects; a quarter gets the same paint '
        'in both, without a label. Labels stay, and ignored pixels stay ignored, so '
        'unlabeled pairs (--without_mask=unlabelled) teach nothing. With one class '
        'of defects, the pairs that are evaluated during training all get changes; '
        'with several, paint is a defect of unknown class, which keeps a few labels '
        'from teaching that all else is background. Not with unchanged_fraction.',
    )
    reference_shift: int = setting(
        0,
        'Largest shift of the reference against the image along each axis, in pixels '
        'of the source; drawn for half of the training pairs, so a misalignment '
        'is not learned as a defect. A crop is not moved beyond the border, so one '
        'of a whole image is not shifted.',
        range=NOT_NEGATIVE,
    )
    flip: bool = setting(
        True, 'Flip left-right and up-down, each with probability 1/2.'
    )
    rotate: bool = setting(True, 'Turn by a random multiple of 90 degrees.')
    brightness: float = setting(
        0.125,
        'Largest change of brightness, as a share of the full range; drawn '
        'separately for image and reference.',
        range=FRACTION,
    )
    contrast: float = setting(
        0.5,
        'Largest relative change of contrast (0.5: factors 0.5 to 1.5); drawn '
        'separately for image and reference.',
        range=FRACTION,
    )
    saturation: float = setting(
        0.5,
        'Largest relative change of saturation; drawn separately for image and '
        'reference.',
        range=FRACTION,
    )
    photometric_probability: float = setting(
        0.5,
        'Probability of each photometric change (mmsegmentation: 0.5).',
        range=FRACTION,
    )
    reader_threads: int = setting(
        4,
        'Threads that decode and augment pairs ahead of the training step.',
        range=AT_LEAST_ONE,
    )
    cache_gb: float = setting(
        2.0,
        'Memory for decoded training pairs, in GB of 1e9 bytes: those that fit in are '
        'decoded only once. 0: none.',
        range=NOT_NEGATIVE,
    )

    @property
    def left_out_groups(self) -> tuple[str, ...]:
        """The names in `leave_out`."""
        names = (name.strip() for name in self.leave_out.split(','))
        return tuple(name for name in names if name)

    @property
    def takes_a_part(self) -> bool:
        """Whether not all pairs of `train_split` are learned from with their labels."""
        return self.label_fraction < 1 or bool(self.left_out_groups)

    def __post_init__(self) -> None:
        check_settings(self)
