"""All settings of a run: what goes together, their JSON, and how two runs differ.

A setting stands once, in `data_config`, `model_config` or `training_config`, with its
default, its range, its unit and its source; flags (`config_flags`), `--help` and the
`config.json` beside the checkpoints are made from it. Names of settings are unique over
all sections, so that a flag is simply the setting's name.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, cast

from cadnet_jax.config_fields import check_settings
from cadnet_jax.data_config import DataConfig
from cadnet_jax.files.text import read_object
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.heads import HEADS
from cadnet_jax.training_config import LossConfig, OptimConfig, TrainConfig

_LOSS_WEIGHTS: Mapping[str, str] = {
    'cross_entropy': 'ce_weight',
    'contrastive': 'contrastive_weight',
    'contrastive_score': 'contrastive_weight',
}
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


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, as saved in its work directory."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        # Here, since networks of other variants can be built without a run.
        check_settings(self.model)
        check_together(self)

    @property
    def own_ramp(self) -> int:
        """`ramp_steps`; 0 where it is the length of the run, or has no effect."""
        steps = self.loss.ramp_steps if self.loss.has_ramp else 0
        return 0 if steps == self.train.steps else steps


def check_together(config: Config) -> None:
    """Refuses settings that are each in their range, but do not go together.

    `training_config.check_schedule` has those of the schedule.

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
    if loss.semi_supervised != 'none':
        _check_semi_supervised(config)
        return
    weights = sorted({_LOSS_WEIGHTS[name] for name in HEADS[head].losses})
    if not any(getattr(loss, weight) for weight in weights):
        raise ValueError(
            f'{", ".join(f"--{weight} is 0" for weight in weights)}: head {head!r} has '
            'no other loss.'
        )


def _check_semi_supervised(config: Config) -> None:
    flag = f'--semi_supervised={config.loss.semi_supervised}'
    if HEADS[config.model.head].answer != 'classes':
        raise ValueError(f'{flag} needs a head that predicts classes, such as unet.')
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
        raise ValueError(
            f'{flag} cannot be combined with --hard_candidates; leave it at 1.'
        )
    has_teacher = config.loss.semi_supervised in ('uamt', 'pairs')
    if has_teacher and not config.optim.ema_decay:
        raise ValueError(f'{flag} has an averaged teacher: set --ema_decay=0.99.')


def fields_of(section: dataclasses.Field[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """The settings of a section, which is a field of `Config`."""
    return dataclasses.fields(cast(type[ModelConfig], section.type))


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
    remedy = 'Restore it, or train again in another --workdir.'
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
    """`differences` but for `may_change`, as 'name: old -> new, ...'; '' if none.

    Nor the ramp where two numbers say the same, as in runs of earlier versions.
    """
    if old.own_ramp == new.own_ramp:
        may_change |= {'ramp_steps'}
    return ', '.join(
        f'{name}: {before!r} -> {after!r}'
        for name, (before, after) in differences(old, new).items()
        if name not in may_change
    )
