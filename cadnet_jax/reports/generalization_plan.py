"""What `generalization` trains: folds of groups, and a run for each of them.

A plan is checked before its first run, since training takes hours.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.split_contents import read_groups
from cadnet_jax.inference.predictor import OUT_OF_CLASS_NAMES
from cadnet_jax.models.heads import HEADS


class Plan(NamedTuple):
    """What is tested.

    Attributes:
        base: settings of all runs, but for seed, share of the labels and groups.
        test_split: whose groups are tested.
        folds: groups that are left out together.
        fractions: shares of the labels.
        seeds: runs of each kind.
        other_data: prepared data sets that the run on all groups is also tested on.
    """

    base: Config
    test_split: str
    folds: tuple[tuple[str, ...], ...]
    fractions: tuple[float, ...]
    seeds: int
    other_data: tuple[str, ...] = ()


class Run(NamedTuple):
    """A run; `left_out` are the groups that it did not learn from."""

    name: str
    config: Config
    fraction: float
    left_out: tuple[str, ...]


def make_plan(
    base: Config,
    test_split: str,
    *,
    folds: int,
    fractions: Sequence[float],
    seeds: int,
    other_data: Sequence[str] = (),
) -> Plan:
    """Deals the groups that are in both splits into folds; see `Plan`.

    Raises:
        FileNotFoundError: data are not there.
        ValueError: no such split, a setting is given that differs from run to run, the
            two splits have fewer than two groups in common, groups cannot be left out,
            or other data have other classes.
    """
    given = configs.differences(Config(), base)
    for name in ('seed', 'label_fraction', 'leave_out'):
        if name in given:
            raise ValueError(f'--{name}: differs from run to run; leave it out.')
    dealt = _deal(base, test_split, folds)
    for other in other_data:
        _check_other_data(base, other)
    shares, others = dict.fromkeys(fractions), dict.fromkeys(other_data)
    return Plan(base, test_split, dealt, tuple(shares), seeds, tuple(others))


def runs_of(plan: Plan) -> list[Run]:
    """All runs, those of seed 0 first; of each seed the one on all groups first."""
    runs = []
    for seed in range(plan.seeds):
        for fraction in plan.fractions:
            ending = f'seed{seed}'
            if fraction < 1:
                ending = f'{100 * fraction:g}percent_{ending}'
            for number, left_out in enumerate([(), *plan.folds]):
                config = configs.replace(
                    plan.base,
                    seed=seed,
                    label_fraction=fraction,
                    leave_out=','.join(left_out),
                )
                name = f'without_{number}_{ending}' if left_out else f'all_{ending}'
                runs.append(Run(name, config, fraction, left_out))
    return runs


def _deal(base: Config, test_split: str, folds: int) -> tuple[tuple[str, ...], ...]:
    """Folds of the groups that are in both splits; 0: one for each group."""
    data_dir, split = base.data.data_dir, base.data.train_split
    trained = read_groups(data_dir, split)
    common = sorted(trained & read_groups(data_dir, test_split))
    if len(common) < 2:
        raise ValueError(
            f'{data_dir}: {split!r} and {test_split!r} have {len(common)} groups in '
            'common; at least two are needed. A group of only one split is new anyway: '
            'evaluate.py says what is found of it.'
        )
    for group in common:
        if configs.replace(base, leave_out=group).data.left_out_groups != (group,):
            raise ValueError(
                f'{data_dir}: group {group!r} cannot be left out, because of a '
                'comma or an outer space in its name. Rename it, and prepare the data '
                'again.'
            )
    number = min(folds, len(common)) if folds else len(common)
    dealt = tuple(tuple(common[start::number]) for start in range(number))
    if trained <= set(dealt[0]):
        raise ValueError(
            f'--folds={folds}: no group would be left to learn from; set 0, or 2 or '
            'more.'
        )
    return dealt


def _check_other_data(base: Config, data_dir: str) -> None:
    """Refuses data whose classes a network of `base` could not be tested on."""
    ours, theirs = read_info(base.data.data_dir), read_info(data_dir)
    one_class = ours.class_names == OUT_OF_CLASS_NAMES
    if HEADS[base.model.head].answer != 'classes' or one_class:
        return
    if ours.class_names != theirs.class_names:
        raise ValueError(
            f'--other_data={data_dir} has the classes {", ".join(theirs.class_names)}, '
            f'but {base.data.data_dir} {", ".join(ours.class_names)}. Name data of the '
            'same classes, or set --head=ooc.'
        )
