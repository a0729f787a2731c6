"""Settings of a run: frozen dataclasses, the flags made from them, and their JSON.

A field stands once, with its default, its range, its unit and its source; flags,
`--help` and the `config.json` beside the checkpoints are made from it. Field names are
unique over all sections, so that a flag is simply the field's name.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, cast

from absl import flags

from cadnet_jax.files.text import read_object
from cadnet_jax.models.heads import HEADS, NORM_LIMITS, describe_heads
from cadnet_jax.path_flags import define_path

_LOSS_WEIGHTS: Mapping[str, str] = {
    'cross_entropy': 'ce_weight',
    'contrastive': 'contrastive_weight',
    'contrastive_score': 'contrastive_weight',
}
# What a field's value may be; a whole number is a real one.
_KINDS: Mapping[Any, Any] = {bool: bool, int: int, float: int | float, str: str}
_KIND_NAMES: Mapping[Any, str] = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'a text',
}
_AUGMENTATION = (
    'scale_min',
    'scale_max',
    'paint_defects',
    'reference_shift',
    'flip',
    'rotate',
    'brightness',
    'contrast',
    'saturation',
    'photometric_probability',
)
VARIANTS = ('b0', 'b1', 'b2', 'b3', 'b4', 'b5')


class Range(NamedTuple):
    """The values that a numeric setting can have.

    Attributes:
        low: the smallest.
        high: the largest.
        above: what they are above of, in place of `low`.
        below: what they are below of, in place of `high`.
        off: one more, which turns the setting off.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    off: float | None = None

    def __contains__(self, value: object) -> bool:
        return value == self.off or (
            isinstance(value, int | float)
            and math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """As it ends the sentence 'it must be'."""
        left = f'[{self.low:g}' if self.above is None else f'({self.above:g}'
        if self.high is not None:
            text = f'in {left}, {self.high:g}]'
        elif self.below is not None:
            text = f'in {left}, {self.below:g})'
        elif self.above is None:
            text = f'at least {self.low:g}'
        else:
            text = 'positive' if self.above == 0 else f'above {self.above:g}'
        return text if self.off is None else f'{text}, or {self.off:g}'


NOT_NEGATIVE = Range(low=0)
POSITIVE = Range(above=0)
AT_LEAST_ONE = Range(low=1)
FRACTION = Range(low=0, high=1)
RATE = Range(low=0, below=1)


def _field(
    default: Any,
    help: str,
    choices: Collection[str] | None = None,
    *,
    range: Range | None = None,
    is_path: bool = False,
) -> Any:
    metadata = {'help': help, 'choices': choices, 'range': range, 'is_path': is_path}
    return dataclasses.field(default=default, metadata=metadata)


def _is_of_kind(value: object, kind: Any) -> bool:
    """Whether a field of the type `kind` can hold `value`; infinity is out of range."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    infinite = isinstance(value, float) and not math.isfinite(value)
    return isinstance(value, _KINDS[kind]) or (infinite and kind is int)


def _check_fields(section: Any) -> None:
    """Refuses a value that is not among the choices, or not in the range, of a field.

    Raises:
        ValueError: names the flag, the value and what it can be.
    """
    for field in dataclasses.fields(section):
        value, metadata = getattr(section, field.name), field.metadata
        if not _is_of_kind(value, field.type):
            raise ValueError(
                f'--{field.name} is {value!r}; it must be {_KIND_NAMES[field.type]}.'
            )
        if metadata['choices'] and value not in metadata['choices']:
            choices = ', '.join(metadata['choices'])
            raise ValueError(f'--{field.name} is {value!r}; it can be: {choices}.')
        if metadata['range'] and value not in metadata['range']:
            raise ValueError(
                f'--{field.name} is {value!r}; it must be {metadata["range"]}.'
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What network is built. The number of classes comes with the data."""

    head: str = _field(
        'cad',
        f'Network and decoder. {describe_heads()}.',
        HEADS,
    )
    variant: str = _field(
        'b0',
        'Mix Transformer, b0 (the paper) to b5 (the largest), of cad, plain, ooc and '
        'segformer.',
        VARIANTS,
    )
    drop_path: float = _field(
        0.1,
        'Largest probability of dropping a residual branch; it rises linearly from 0 '
        'over the blocks (SegFormer: 0.1).',
        range=RATE,
    )
    share_drop_path: bool = _field(
        False,
        'Draw drop path once for the two images of a pair, so that an identical pair '
        'stays identical in training. The published code draws for each image.',
    )
    dropout: float = _field(
        0.1,
        'Probability of dropping a channel ahead of the classifier (SegFormer: 0.1).',
        range=RATE,
    )
    norm_limits: str = _field(
        'sample',
        "Limits of Norm (eq. 14), of the head 'ooc': sample: of each crop, and in "
        'prediction of the whole image; batch: of all crops of a batch, as published; '
        "running: likewise, and in prediction the mean of the last batches' limits.",
        NORM_LIMITS,
    )
    dtype: str = _field(
        'float32',
        'Number format that the network computes in; parameters and losses are '
        'float32 always.',
        ('float32', 'bfloat16'),
    )

    @property
    def scales_distance(self) -> bool:
        """Whether the answer depends on DistMap's range over the whole image."""
        attention = HEADS[self.head].attention
        return attention == 'out_of_class' and self.norm_limits != 'running'


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is read, and how the training pairs are augmented."""

    data_dir: str = _field(
        '', 'Prepared data set, as experiments/prepare_data.py wrote it.', is_path=True
    )
    train_split: str = _field(
        'train', "Split to learn from; slices such as 'train[:10%]' work."
    )
    label_fraction: float = _field(
        1.0,
        'Share of the pairs of train_split that are learned from, above 0; which ones '
        'is drawn by the seed, and a smaller share is part of a larger one.',
        range=Range(above=0, high=1),
    )
    leave_out: str = _field(
        '',
        'Groups of train_split to leave out of training, separated by commas: they '
        'are products that the run never sees, for a test on new ones.',
    )
    eval_split: str = _field('val', 'Split that is evaluated during training.')
    batch_size: int = _field(
        4,
        'Pairs in a training step, over all devices.',
        range=AT_LEAST_ONE,
    )
    eval_batch_size: int = _field(
        4,
        'Pairs that are evaluated together.',
        range=AT_LEAST_ONE,
    )
    crop_size: int = _field(
        512,
        'Side of the square training crop, in pixels.',
        range=AT_LEAST_ONE,
    )
    scale_min: float = _field(
        0.5,
        'Smallest factor of the random resize ahead of the crop (SegFormer: 0.5).',
        range=POSITIVE,
    )
    scale_max: float = _field(
        2.0,
        'Largest factor of the random resize ahead of the crop (SegFormer: 2.0).',
        range=POSITIVE,
    )
    defect_crop_fraction: float = _field(
        0.8,
        'Share of the training crops that are placed around a random labeled defect, '
        'where the pair has one; the others are placed uniformly.',
        range=FRACTION,
    )
    unchanged_fraction: float = _field(
        -1.0,
        'Share of the crops of each batch that come from pairs without a defect pixel, '
        'rounded to whole crops; the others come from pairs with one. '
        'defect_crop_fraction says how many of these are placed around a defect. '
        '-1: pairs as they come.',
        range=Range(low=0, high=1, off=-1),
    )
    hard_candidates: int = _field(
        1,
        'For each unchanged crop that a step learns from, this many are drawn, and the '
        'hardest of them are taken: those with the most probable defects, by the mean '
        'over the highest 1 % of their pixels. Needs unchanged_fraction. 1: all.',
        range=AT_LEAST_ONE,
    )
    paint_defects: bool = _field(
        False,
        'Paint changes into good pairs, so that they can be learned from without a '
        'label: half of the training crops get one to three, in the image or in the '
        'reference, as pixels of the class of defects; a quarter gets the same paint '
        'in both, without a label. The pairs that are evaluated during training all '
        'get changes. For data with one class of defects, whose labels stay; without '
        'unchanged_fraction.',
    )
    reference_shift: int = _field(
        0,
        'Largest shift of the reference against the image along each axis, in pixels '
        'of the source; drawn for half of the training pairs, so that a misalignment '
        'is not learned as a defect.',
        range=NOT_NEGATIVE,
    )
    flip: bool = _field(True, 'Flip left-right and up-down, each with probability 1/2.')
    rotate: bool = _field(True, 'Turn by a random multiple of 90 degrees.')
    brightness: float = _field(
        0.125,
        'Largest change of brightness, as a share of the full range; drawn '
        'separately for image and reference.',
        range=FRACTION,
    )
    contrast: float = _field(
        0.5,
        'Largest relative change of contrast (0.5: factors 0.5 to 1.5); drawn '
        'separately for image and reference.',
        range=FRACTION,
    )
    saturation: float = _field(
        0.5,
        'Largest relative change of saturation; drawn separately for image and '
        'reference.',
        range=FRACTION,
    )
    photometric_probability: float = _field(
        0.5,
        'Probability of each photometric change (mmsegmentation: 0.5).',
        range=FRACTION,
    )
    reader_threads: int = _field(
        4,
        'Threads that decode and augment pairs ahead of the training step.',
        range=AT_LEAST_ONE,
    )
    cache_gb: float = _field(
        2.0,
        'Memory for decoded training pairs, in GB of 1e9 bytes: those that fit in are '
        'decoded once only. 0: none.',
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
        _check_fields(self)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eqs. 8 to 10, 15 and 16 of the paper."""

    ce_weight: float = _field(
        1.0,
        'lambda_1, the weight of the cross entropy (paper: 1). Not used by ooc.',
        range=NOT_NEGATIVE,
    )
    defect_weight: float = _field(
        1.0,
        'Weight of a defect pixel in the cross entropy, over that of a background '
        'pixel (paper: 1). Prediction divides the odds of a defect by it again. For '
        'ooc, in the contrastive loss; there it stays.',
        range=POSITIVE,
    )
    defect_odds: float = _field(
        1.0,
        'Factor on the odds of a defect in prediction, after defect_weight is taken '
        'back. Above 1 marks more: a network that is seldom sure, after a short '
        'training, then has a higher IoU. Not used by ooc.',
        range=POSITIVE,
    )
    contrastive_weight: float = _field(
        1.0,
        'lambda_2, the weight of the contrastive loss (paper: 1).',
        range=NOT_NEGATIVE,
    )
    score_ratio: float = _field(
        1.0,
        "Weight of the change score's contrastive loss relative to that of DistMap, of "
        "the head 'ooc' (published code: 512).",
        range=POSITIVE,
    )
    tau_ok: float = _field(
        0.3,
        'Feature distance below which background costs nothing (paper: 0.3).',
        range=NOT_NEGATIVE,
    )
    tau_ng: float = _field(
        2.2,
        'Feature distance above which a defect costs nothing (paper: 2.2).',
        range=POSITIVE,
    )
    balance: str = _field(
        'train',
        'Class shares for the balance factor of eq. 9: those of the training split '
        '(train), of the global batch (batch), or none (the plain contrastive loss).',
        ('train', 'batch', 'none'),
    )
    semi_supervised: str = _field(
        'none',
        'How to learn from the pairs that label_fraction leaves out, without their '
        'labels: dct, uamt, cps, ucc, uaps (docs/rivals.md); or pairs, our own: an '
        'averaged teacher, weak and strong views, references as pairs without a '
        'defect. The loss is then cross entropy and Dice, whatever the head; labeled: '
        'that loss of the labeled pairs alone; none: the loss of the head.',
        ('none', 'labeled', 'dct', 'uamt', 'cps', 'ucc', 'uaps', 'pairs'),
    )
    ramp_steps: int = _field(
        30_000,
        'Steps over which the weight of the loss without labels rises to 0.1, for dct, '
        'cps and ucc; for uamt and uaps it takes 8/15 of them (published: 30,000, the '
        'length of the run).',
        range=AT_LEAST_ONE,
    )

    @property
    def learns_unlabeled(self) -> bool:
        """Whether pairs without their labels are learned from."""
        return self.semi_supervised not in ('none', 'labeled')

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """AdamW with SegFormer's recipe."""

    optimizer: str = _field(
        'adamw',
        'AdamW, or Muon, which makes the updates of matrices and convolution kernels '
        'orthogonal, of the size that AdamW gives them, and leaves the rest to AdamW.',
        ('adamw', 'muon'),
    )
    learning_rate: float = _field(
        6e-5,
        'Peak learning rate of the encoder (SegFormer: 6e-5).',
        range=POSITIVE,
    )
    decoder_rate_factor: float = _field(
        10.0,
        'Learning rate of the decoder over that of the encoder (SegFormer: 10).',
        range=NOT_NEGATIVE,
    )
    weight_decay: float = _field(
        0.01,
        'Decoupled weight decay; none on norms and biases (SegFormer: 0.01).',
        range=NOT_NEGATIVE,
    )
    warmup_steps: int = _field(
        1500,
        'Steps of linear warm-up from 1e-6 of the peak (SegFormer: 1500).',
        range=NOT_NEGATIVE,
    )
    schedule: str = _field(
        'linear',
        'Decay to 0 after the warm-up: linear (polynomial of power 1, SegFormer) or '
        'cosine; or constant, which keeps the peak rate until the cool-down. A '
        'constant run can be made longer, or be given a cool-down, when it resumes.',
        ('linear', 'cosine', 'constant'),
    )
    cooldown_steps: int = _field(
        0,
        'Steps of linear decay to 0 at the end of a run with schedule=constant. '
        '0: none.',
        range=NOT_NEGATIVE,
    )
    clip_norm: float = _field(
        0.0,
        'Global gradient norm above which gradients are scaled down; 0: never.',
        range=NOT_NEGATIVE,
    )
    ema_decay: float = _field(
        0.0,
        'Share of the old average that a step keeps in the exponential moving average '
        'of the weights, such as 0.999; less in the first steps. Evaluation, the best '
        'and the latest weights, prediction and --init_from then use the average; a '
        'run resumes with both. 0: no average.',
        range=RATE,
    )

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The schedule of a run."""

    steps: int = _field(
        126_000,
        'Training steps (paper: 126,000).',
        range=AT_LEAST_ONE,
    )
    seed: int = _field(
        0,
        'Seed of the initial weights, the data order and all random draws.',
        range=NOT_NEGATIVE,
    )
    log_every: int = _field(
        50,
        'Steps between two lines of metrics.jsonl.',
        range=AT_LEAST_ONE,
    )
    eval_every: int = _field(
        2000,
        'Steps between two evaluations.',
        range=AT_LEAST_ONE,
    )
    checkpoint_every: int = _field(
        1000,
        'Steps between two checkpoints.',
        range=AT_LEAST_ONE,
    )
    keep_checkpoints: int = _field(
        2,
        'How many of the latest checkpoints are kept, beside the best one.',
        range=AT_LEAST_ONE,
    )
    norm_batches: int = _field(
        0,
        'Training batches over which the BatchNorm statistics are computed again, with '
        'the weights that are evaluated, ahead of each evaluation. The statistics that '
        'the steps keep lag behind averaged weights. 0: keep them.',
        range=NOT_NEGATIVE,
    )
    init_from: str = _field(
        '',
        'Weights to start from: released, those that come with the package; the folder '
        'that experiments/import_weights.py wrote; the work directory of a run (its '
        'best weights); or WORKDIR/checkpoints/latest/STEP. Every array of equal name '
        'and shape is taken, for any classes and any head. Empty: random weights.',
        is_path=True,
    )

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, as saved in its work directory."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        # Here, since networks of other variants can be built without a run.
        _check_fields(self.model)
        check_together(self)


def check_together(config: Config) -> None:
    """Refuses settings that are each in their range, but do not go together.

    `check_schedule` has those of the schedule.

    Raises:
        ValueError: names the flags, their values and the remedy.
    """
    data, loss, head = config.data, config.loss, config.model.head
    if data.scale_min > data.scale_max:
        raise ValueError(
            f'--scale_min is {data.scale_min} and --scale_max is {data.scale_max}: '
            '--scale_min must not be larger.'
        )
    if loss.tau_ok >= loss.tau_ng:
        raise ValueError(
            f'--tau_ok is {loss.tau_ok} and --tau_ng is {loss.tau_ng}: --tau_ok must '
            'be smaller.'
        )
    weights = sorted({_LOSS_WEIGHTS[name] for name in HEADS[head].losses})
    if not any(getattr(loss, weight) for weight in weights):
        raise ValueError(
            f'{", ".join(f"--{weight} is 0" for weight in weights)}: head {head!r} has '
            'no other loss.'
        )

    if loss.semi_supervised != 'none':
        _check_semi_supervised(config)


def _check_semi_supervised(config: Config) -> None:
    flag = f'--semi_supervised={config.loss.semi_supervised}'
    if HEADS[config.model.head].answer != 'classes':
        raise ValueError(f'{flag} needs a head that tells classes, such as unet.')
    if config.loss.defect_weight != 1:
        raise ValueError(f'{flag} counts all pixels alike: set --defect_weight=1.')
    if not config.loss.learns_unlabeled:
        return
    if config.data.label_fraction == 1:
        raise ValueError(
            f'{flag} learns from pairs whose labels are not read: set '
            '--label_fraction below 1.'
        )
    if config.data.hard_candidates > 1:
        raise ValueError(f'{flag} does not go with --hard_candidates: leave it at 1.')
    has_teacher = config.loss.semi_supervised in ('uamt', 'pairs')
    if has_teacher and not config.optim.ema_decay:
        raise ValueError(f'{flag} has an averaged teacher: set --ema_decay=0.99.')


def check_schedule(optim: OptimConfig, steps: int) -> None:
    """Refuses a warm-up or a cool-down that a run of `steps` has no place for.

    Raises:
        ValueError: names the flags, their values and the remedy.
    """
    if steps not in AT_LEAST_ONE:
        raise ValueError(f'--steps is {steps}; it must be {AT_LEAST_ONE}.')
    if optim.warmup_steps >= steps:
        raise ValueError(
            f'--warmup_steps is {optim.warmup_steps} and --steps is {steps}: the '
            'warm-up has to end before the last step. Lower --warmup_steps.'
        )
    if optim.cooldown_steps and optim.schedule != 'constant':
        raise ValueError(
            f'--cooldown_steps is {optim.cooldown_steps} and --schedule is '
            f'{optim.schedule}: only --schedule=constant has a cool-down.'
        )
    if not 0 <= optim.cooldown_steps <= steps - optim.warmup_steps:
        raise ValueError(
            f'--cooldown_steps is {optim.cooldown_steps}; it must be from 0 to the '
            f'{steps - optim.warmup_steps} steps after the warm-up.'
        )


_DEFINE: Mapping[Any, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


# Settings that change neither what is learned nor what is measured.
MAY_CHANGE = frozenset(
    {
        'cache_gb',
        'data_dir',
        'eval_batch_size',
        'keep_checkpoints',
        'log_every',
        'reader_threads',
    }
)


def fields_of(section: dataclasses.Field[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """The settings of a section, which is a field of `Config`."""
    return dataclasses.fields(cast(type[ModelConfig], section.type))


def define_flags(*sections: str) -> None:
    """Defines a flag for each field of the named sections (all, if none is named)."""
    for section in dataclasses.fields(Config):
        if sections and section.name not in sections:
            continue
        for field in fields_of(section):
            name, text = field.name, field.metadata['help']
            if values := field.metadata['range']:
                text = f'{text} It must be {values}.'
            default: Any = field.default
            choices: Any = field.metadata['choices']
            if field.metadata['is_path']:
                define_path(name, default, text)
            elif choices:
                flags.DEFINE_enum(name, default, choices, text)
            else:
                _DEFINE[field.type](name, default, text)


def flag_groups() -> dict[str, tuple[str, ...]]:
    """The names of all settings, in groups for --help: title -> names."""
    names = {
        section.name: tuple(field.name for field in fields_of(section))
        for section in dataclasses.fields(Config)
    }
    return {
        'Data': tuple(name for name in names['data'] if name not in _AUGMENTATION),
        'Augmentation': _AUGMENTATION,
        'Network': names['model'],
        'Loss': names['loss'],
        'Optimization': names['optim'],
        'Run': names['train'],
    }


def from_flags(values: flags.FlagValues = flags.FLAGS) -> Config:
    """The configuration that the parsed flags say; the rest keeps its defaults."""
    sections = {}
    for section in dataclasses.fields(Config):
        default = getattr(Config(), section.name)
        given = {
            field.name: values[field.name].value
            for field in dataclasses.fields(default)
            if field.name in values
        }
        sections[section.name] = dataclasses.replace(default, **given)
    return Config(**sections)


def from_dict(values: Mapping[str, Any], *, source: str) -> Config:
    """The inverse of `dataclasses.asdict`; `source` names the origin in errors.

    Raises:
        ValueError: a section or field is unknown, or a value is out of its range.
            Missing ones keep their defaults.
    """
    sections = {}
    known = {section.name for section in dataclasses.fields(Config)}
    if unknown := sorted(set(values) - known):
        raise ValueError(
            f'{source}: unknown sections {unknown}; known: {sorted(known)}.'
        )
    for name, fields in values.items():
        default = getattr(Config(), name)
        names = {field.name for field in dataclasses.fields(default)}
        if unknown := sorted(set(fields) - names):
            raise ValueError(
                f'{source}: section {name!r} has unknown fields {unknown}: it was '
                'written by another version of cadnet_jax.'
            )
        try:
            sections[name] = dataclasses.replace(default, **fields)
        except ValueError as error:
            raise ValueError(f'{source}: {error}') from None
    try:
        return Config(**sections)
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from None


def load(path: str | pathlib.Path) -> Config:
    """Reads a `config.json`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not JSON, or has unknown fields.
    """
    path = pathlib.Path(path)
    remedy = 'Restore it, or train anew in another --workdir.'
    try:
        values = read_object(path, remedy=remedy)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such file. Is this a work directory that train.py wrote?'
        ) from None
    if not all(isinstance(fields, dict) for fields in values.values()):
        raise ValueError(f'{path}: damaged: it holds no sections of settings. {remedy}')
    return from_dict(values, source=str(path))


def replace(config: Config, **values: Any) -> Config:
    """`config` with other values of the named fields, whatever their sections.

    Raises:
        ValueError: there is no such field, or a value cannot be.
    """
    sections = {}
    for section in dataclasses.fields(Config):
        names = {field.name for field in fields_of(section)}
        given = {name: values.pop(name) for name in names & set(values)}
        sections[section.name] = dataclasses.replace(
            getattr(config, section.name), **given
        )
    if values:
        raise ValueError(f'config has no field {min(values)!r}.')
    return Config(**sections)


def differences(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """Fields in which two configurations differ: name -> (old, new)."""
    changed = {}
    for section in dataclasses.fields(Config):
        before, after = getattr(old, section.name), getattr(new, section.name)
        for field in dataclasses.fields(before):
            pair = getattr(before, field.name), getattr(after, field.name)
            if pair[0] != pair[1]:
                changed[field.name] = pair
    return changed


def changed_settings(
    old: Config, new: Config, *, may_change: frozenset[str] = MAY_CHANGE
) -> str:
    """`differences` but for `may_change`, as 'name: old -> new, ...'; '' if none."""
    return ', '.join(
        f'{name}: {before!r} -> {after!r}'
        for name, (before, after) in differences(old, new).items()
        if name not in may_change
    )
