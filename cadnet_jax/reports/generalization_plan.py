"""What `generalization` trains: folds of groups, and a run for each of them.

A plan is checked before its first run, since training takes hours.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.pair_source import training_source
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.split_contents import read_groups, read_named_groups
from cadnet_jax.evaluation.learned_groups import learned_by_weights
from cadnet_jax.inference.predictor import OUT_OF_CLASS_NAMES
from cadnet_jax.models.heads import HEADS
from cadnet_jax.runs import learned
from cadnet_jax.runs.workdir import origins
from cadnet_jax.weights.initial import describe_origin


class Plan(NamedTuple):
    """What is tested.

    Attributes:
        base: settings of all runs, but for seed, share of the labels and groups.
        test_split: whose groups are tested.
        folds: groups that are left out together; none where the tested groups are in
            no training part.
        fractions: shares of the labels.
        seeds: runs of each kind.
        other_data: prepared data sets that the run on all groups is also tested on.
        transfer: the runs start from weights that a run has learned.
        weights_are_new: these are known not to have learned from what is left out.
    """

    base: Config
    test_split: str
    folds: tuple[tuple[str, ...], ...]
    fractions: tuple[float, ...]
    seeds: int
    other_data: tuple[str, ...] = ()
    transfer: bool = False
    weights_are_new: bool = True


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
        FileNotFoundError: data, or the weights to start from, are not there.
        ValueError: no such split, a setting is given that differs from run to run, a
            run would have no group or no labeled defect to learn from, groups cannot be
            left out or are known to the first weights, or other data have other
            classes.
    """
    given = configs.differences(Config(), base)
    if base.loss.semi_supervised != 'none':
        raise ValueError(
            '--semi_supervised: the run on all labels has no unlabeled pair; leave '
            'this flag out.'
        )
    for name in ('seed', 'label_fraction', 'leave_out'):
        if name in given:
            raise ValueError(f'--{name}: differs from run to run; leave it out.')
    if min(fractions) <= 0:
        raise ValueError(f'--fraction={min(fractions):g}: set a share above 0.')
    dealt = _deal(base, test_split, folds)
    for other in other_data:
        _check_other_data(base, other)
    plan = Plan(
        base,
        test_split,
        dealt,
        tuple(dict.fromkeys(fractions)),
        seeds,
        tuple(dict.fromkeys(other_data)),
    )
    if base.train.init_from:
        left_out = {group for fold in dealt for group in fold}
        plan = plan._replace(
            transfer=_is_transfer(base.train.init_from),
            weights_are_new=_check_weights(base, left_out),
        )
    for run in runs_of(plan):
        _check_labels(run)
    return plan


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


def _is_transfer(init_from: str) -> bool:
    """Whether a run learned the weights, or some that these started from."""
    if any(origin['dataset'] for origin in origins(describe_origin(init_from))):
        return True
    return bool(learned.read_earlier(init_from))


def _check_weights(base: Config, left_out: Collection[str]) -> bool:
    """Refuses first weights that learned from what is left out.

    Returns:
        Whether it is known that they did not.
    """
    init_from, data_dir = base.train.init_from, base.data.data_dir
    found = learned_by_weights(init_from, data_dir)
    if known := sorted(found.groups & set(left_out)):
        raise ValueError(
            f'--init_from={init_from}: these weights learned from groups that are to '
            f'be left out, such as {known[0]}. Start from other weights.'
        )
    learned.check_images_are_new(base, left_out)
    return found.complete or not left_out


def num_learned(run: Run) -> int:
    """How many pairs a run learns from."""
    return len(training_source(run.config.data, run.config.train.seed))


def _deal(base: Config, test_split: str, folds: int) -> tuple[tuple[str, ...], ...]:
    """Folds of the groups that are in both splits; 0: one for each group."""
    data_dir, split = base.data.data_dir, base.data.train_split
    trained, tested = read_groups(data_dir, split), read_groups(data_dir, test_split)
    if not read_named_groups(data_dir, test_split):
        raise ValueError(
            f'{data_dir}: the pairs of {test_split!r} have no groups (products), so '
            'no product is known to be new. Prepare them with groups, by --group_by or '
            'by a column `group`.'
        )
    common = sorted(trained & tested)
    if not common and folds:
        raise ValueError(
            f'--folds={folds}: no group is in both {split!r} and {test_split!r}, so '
            'none can be left out. Leave this flag out: all groups are new anyway.'
        )
    if not common:
        return ()
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
            f'{data_dir}: without {_list(dealt[0])}, no group of {split!r} would be '
            'left to learn from. '
            + (
                f'Leave out fewer than with --folds={folds}; --folds=0: one at a time.'
                if len(common) > 1
                else 'At least two groups are needed.'
            )
        )
    return dealt


def _check_labels(run: Run) -> None:
    """Refuses a run without a labeled defect, ahead of those before it."""
    data = run.config.data
    source = training_source(data, run.config.train.seed)
    masks = (source.read_mask(index) for index in range(len(source)))
    if data.paint_defects or any(
        np.any((mask > 0) & (mask != IGNORED)) for mask in masks
    ):
        return
    without = f' without {_list(run.left_out)}' if run.left_out else ''
    raise ValueError(
        f'{data.data_dir}: no defect is labeled in the {len(source)} pairs that '
        f'{run.name} would learn from ({100 * run.fraction:g} % of {data.train_split!r}'
        f'{without}). Set a larger --fraction or other --folds, or --paint_defects.'
    )


def _list(groups: Sequence[str]) -> str:
    """The first groups of a fold, for a message."""
    more = f' and {len(groups) - 3} more groups' if len(groups) > 3 else ''
    return ', '.join(groups[:3]) + more


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
