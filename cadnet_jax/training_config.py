"""Settings of training: losses, optimizer, and the schedule of a run."""

import dataclasses

from cadnet_jax.config_fields import check_settings, setting
from cadnet_jax.ranges import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, RATE


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eqs. 8 to 10, 15 and 16 of the paper."""

    ce_weight: float = setting(
        1.0,
        'lambda_1, the weight of the cross entropy (paper: 1). Not used by ooc.',
        range=NOT_NEGATIVE,
    )
    defect_weight: float = setting(
        1.0,
        'Weight of a defect pixel in the cross entropy, over that of a background '
        'pixel (paper: 1). Prediction divides the odds of a defect by it again. For '
        'ooc, in the contrastive loss, where prediction does not divide it out.',
        range=POSITIVE,
    )
    defect_odds: float = setting(
        1.0,
        'Factor on the odds of a defect in prediction, after defect_weight is taken '
        'back. Above 1 marks more: a network that is seldom sure, after a short '
        'training, then has a higher IoU. Not used by ooc.',
        range=POSITIVE,
    )
    contrastive_weight: float = setting(
        1.0,
        'lambda_2, the weight of the contrastive loss (paper: 1).',
        range=NOT_NEGATIVE,
    )
    score_ratio: float = setting(
        1.0,
        "Weight of the change score's contrastive loss relative to that of DistMap, "
        "for the head 'ooc' (published code: 512).",
        range=POSITIVE,
    )
    tau_ok: float = setting(
        0.3,
        "Feature distance (and, with the head 'ooc', change score) below which "
        'background costs nothing (paper: 0.3).',
        range=NOT_NEGATIVE,
    )
    tau_ng: float = setting(
        2.2,
        "Feature distance (and, with the head 'ooc', change score) above which a "
        'defect costs nothing (paper: 2.2). The default threshold of change scores is '
        'halfway between tau_ok and tau_ng.',
        range=POSITIVE,
    )
    balance: str = setting(
        'train',
        'Class shares for the balance factor of eq. 9: those of the training split '
        '(train), of the global batch (batch), or none (the plain contrastive loss).',
        ('train', 'batch', 'none'),
    )
    semi_supervised: str = setting(
        'none',
        'How to learn from the pairs that label_fraction leaves out, without their '
        'labels: dct, uamt, cps, ucc, uaps (docs/rivals.md); or pairs, our own: an '
        'averaged teacher, weak and strong views, references as pairs without a '
        'defect. The loss is then cross entropy and Dice, whatever the head, and '
        'ce_weight, contrastive_weight, score_ratio, tau_ok, tau_ng and balance are '
        'not used; labeled: that loss of the labeled pairs alone; none: the loss of '
        'the head.',
        ('none', 'labeled', 'dct', 'uamt', 'cps', 'ucc', 'uaps', 'pairs'),
    )
    ramp_steps: int = setting(
        0,
        'Steps over which the weight of the loss without labels rises to 0.1, for dct, '
        'cps and ucc; for uamt and uaps it takes 8/15 of them (published: 30,000, and '
        '16,000 for uamt and uaps, in runs of 17,000 to 47,000 steps). 0: all steps of '
        'the run.',
        range=NOT_NEGATIVE,
    )

    @property
    def learns_unlabeled(self) -> bool:
        """Whether pairs without their labels are learned from."""
        return self.semi_supervised not in ('none', 'labeled')

    @property
    def has_ramp(self) -> bool:
        """Whether `ramp_steps` is used."""
        return self.learns_unlabeled and self.semi_supervised != 'pairs'

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """AdamW with SegFormer's recipe."""

    optimizer: str = setting(
        'adamw',
        'AdamW; or Muon, which makes the updates of matrices and convolution kernels '
        'orthogonal, with the size that AdamW gives them; AdamW does the rest.',
        ('adamw', 'muon'),
    )
    learning_rate: float = setting(
        6e-5,
        'Peak learning rate of the encoder (SegFormer: 6e-5).',
        range=POSITIVE,
    )
    decoder_rate_factor: float = setting(
        10.0,
        'Learning rate of the decoder over that of the encoder (SegFormer: 10).',
        range=NOT_NEGATIVE,
    )
    weight_decay: float = setting(
        0.01,
        'Decoupled weight decay; none on norms and biases (SegFormer: 0.01).',
        range=NOT_NEGATIVE,
    )
    warmup_steps: int = setting(
        1500,
        'Steps of linear warm-up from 1e-6 of the peak (SegFormer: 1500).',
        range=NOT_NEGATIVE,
    )
    schedule: str = setting(
        'linear',
        'Decay to 0 after the warm-up: linear (polynomial of power 1, SegFormer) or '
        'cosine; or constant, which keeps the peak rate until the cool-down. A '
        'constant run can be made longer, or be given a cool-down, when it resumes.',
        ('linear', 'cosine', 'constant'),
    )
    cooldown_steps: int = setting(
        0,
        'Steps of linear decay to 0 at the end of a run with schedule=constant. '
        '0: none.',
        range=NOT_NEGATIVE,
    )
    clip_norm: float = setting(
        0.0,
        'Global gradient norm above which gradients are scaled down; 0: never.',
        range=NOT_NEGATIVE,
    )
    ema_decay: float = setting(
        0.0,
        'Share of the old average that a step keeps in the exponential moving average '
        'of the weights, such as 0.999; less in the first steps. Evaluation, the best '
        'and the latest weights, prediction and --init_from then use the average; a '
        'run resumes with both. 0: no average.',
        range=RATE,
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The schedule of a run."""

    steps: int = setting(
        126_000,
        'Training steps (paper: 126,000).',
        range=AT_LEAST_ONE,
    )
    seed: int = setting(
        0,
        'Seed of the initial weights, the data order and all random draws.',
        range=NOT_NEGATIVE,
    )
    log_every: int = setting(
        50,
        'Steps between two lines of metrics.jsonl.',
        range=AT_LEAST_ONE,
    )
    eval_every: int = setting(
        2000,
        'Steps between two evaluations.',
        range=AT_LEAST_ONE,
    )
    checkpoint_every: int = setting(
        1000,
        'Steps between two checkpoints.',
        range=AT_LEAST_ONE,
    )
    keep_checkpoints: int = setting(
        2,
        'How many of the latest checkpoints are kept, beside the best one.',
        range=AT_LEAST_ONE,
    )
    norm_batches: int = setting(
        0,
        'Training batches over which the BatchNorm statistics are computed again, with '
        'the weights that are evaluated, ahead of each evaluation. The statistics that '
        'the steps keep lag behind averaged weights. 0: keep them.',
        range=NOT_NEGATIVE,
    )
    init_from: str = setting(
        '',
        'Weights to start from: released, those that come with the package; the folder '
        'that experiments/import_weights.py wrote; the work directory of a run (its '
        'best weights); or WORKDIR/checkpoints/latest/STEP. Every array of equal name '
        'and shape is taken, for any classes and any head. Empty: random weights.',
        is_path=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)


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
            'warm-up must end before the last step. Lower --warmup_steps.'
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
