"""Whether a network finds defects on products that it never saw.

One run learns from all groups (products) of a training split, and others leave some of
them out. Each group of the test split is then tested twice: by the run that has seen
the product, and by the one that has not.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.batches import read_groups, read_info
from cadnet_jax.evaluation.bootstrap import Interval, bootstrap
from cadnet_jax.evaluation.group_counts import (
    RATES,
    GroupCounts,
    add_counts,
    count_groups,
    rates,
)
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.predictor import OUT_OF_CLASS_NAMES
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, mean
from cadnet_jax.runs import learned
from cadnet_jax.training.loop import train

_COUNTS_FILE = 'groups.json'
_REMEDY = 'Delete it: the same command counts again.'


class Plan(NamedTuple):
    """What is tested.

    Attributes:
        base: settings of all runs, but for seed, share of the labels and groups.
        test_split: whose groups are tested.
        folds: groups that are left out together.
        fractions: shares of the labels.
        seeds: runs of each kind.
        other_data: prepared data sets that the run on all groups is tested on as well.
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


class Line(NamedTuple):
    """What is found of some groups.

    Attributes:
        label: their name.
        fraction: of the labels.
        seen: rate -> its mean over seeds, by the runs that learned from the groups;
            None where no run did.
        new: the same by the runs that did not.
        differences: rate -> new less seen, with the ends of an interval; of all groups
            together alone.
        counts: of the pairs, of one run.
    """

    label: str
    fraction: float
    seen: Mapping[str, Mean | None] | None
    new: Mapping[str, Mean | None] | None
    differences: Mapping[str, Interval] | None
    counts: GroupCounts


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
    data_dir, split = base.data.data_dir, base.data.train_split
    learned_groups = read_groups(data_dir, split)
    common = sorted(learned_groups & read_groups(data_dir, test_split))
    if len(common) < 2:
        raise ValueError(
            f'{data_dir}: {split!r} and {test_split!r} have {len(common)} groups in '
            'common; two are needed. Groups of the one alone are new anyway: '
            'evaluate.py says what is found of them.'
        )
    for other in other_data:
        _check_other_data(base, other)
    number = min(folds, len(common)) if folds else len(common)
    dealt = tuple(tuple(common[start::number]) for start in range(number))
    if any(learned_groups <= set(fold) for fold in dealt):
        raise ValueError(
            f'--folds={folds}: no group would be left to learn from; set 0, or 2 or '
            'more.'
        )
    shares, others = dict.fromkeys(fractions), dict.fromkeys(other_data)
    plan = Plan(base, test_split, dealt, tuple(shares), seeds, tuple(others))
    for run in runs_of(plan):
        if run.config.data.left_out_groups != run.left_out:
            raise ValueError(
                f'{data_dir}: a group cannot be left out if a comma or an outer space '
                f'is in its name: {", ".join(map(repr, run.left_out))}. Rename the '
                'group, and prepare the data again.'
            )
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


def complete(run: Run, plan: Plan, root: pathlib.Path) -> bool:
    """Trains a run as far as it is not, and counts what its last weights find.

    Returns:
        Whether it is complete; False where it was asked to stop.

    Raises:
        FileNotFoundError: the data are not there.
        ValueError: the folder holds a run of other settings, or a damaged file.
    """
    workdir, test = root / run.name, _test(run, plan)
    tests = {run.config.data.data_dir: run.left_out}
    if not run.left_out:
        tests |= {other: () for other in plan.other_data if other not in tests}
    for data_dir in tests:
        learned.check_will_be_new(run.config, data_dir, plan.test_split)
    if not train(run.config, workdir):
        return False
    counted = _read_counts(workdir)
    found = counted.get(test, {})
    missing = tests.keys() - found
    if not missing:
        return True
    predictor = load_predictor(workdir, 'latest')
    for data_dir in sorted(missing):
        found[data_dir] = count_groups(
            predictor,
            data_dir,
            plan.test_split,
            batch_size=run.config.data.eval_batch_size,
            groups=tests[data_dir],
        )
    write_json(workdir / _COUNTS_FILE, counted | {test: found})
    jax.clear_caches()  # the programs of many runs are more than one process can hold
    return True


def summarize(plan: Plan, root: pathlib.Path) -> list[Line]:
    """The lines of the report: of each share all groups, each group, and other data.

    Raises:
        FileNotFoundError: a run is not complete.
        ValueError: a file is damaged.
    """
    counts = {run.name: _finished_counts(run, plan, root) for run in runs_of(plan)}
    lines = []
    for fraction in plan.fractions:
        seen, new = _by_seed(plan, fraction, counts)
        left_out = [group for fold in plan.folds for group in fold]
        lines.append(_line('all that were left out', fraction, seen, new, left_out))
        lines += [_line(group, fraction, seen, new, [group]) for group in left_out]
        if others := [group for group in seen[0] if group not in left_out]:
            lines.append(_line('in no training part', fraction, None, seen, others))
        whole = [run for run in runs_of(plan) if not run.left_out]
        for other in plan.other_data:
            found = [
                counts[run.name][other] for run in whole if run.fraction == fraction
            ]
            name = read_info(other).name
            lines.append(_line(f'other data: {name}', fraction, None, found))
    return lines


_Groups = dict[str, GroupCounts]


def _by_seed(
    plan: Plan, fraction: float, counts: Mapping[str, Mapping[str, _Groups]]
) -> tuple[list[_Groups], list[_Groups]]:
    """Of each seed the groups as seen, and as new."""
    data_dir = plan.base.data.data_dir
    seen, new = [], []
    for seed in range(plan.seeds):
        runs = [
            run
            for run in runs_of(plan)
            if run.fraction == fraction and run.config.train.seed == seed
        ]
        seen.append(counts[runs[0].name][data_dir])
        new.append(
            {k: v for run in runs[1:] for k, v in counts[run.name][data_dir].items()}
        )
    return seen, new


def _line(
    label: str,
    fraction: float,
    seen: Sequence[_Groups] | None,
    new: Sequence[_Groups],
    groups: Sequence[str] | None = None,
) -> Line:
    chosen = list(new[0]) if groups is None else groups
    differences = None
    if seen and len(chosen) > 1:
        differences = _differences(seen, new, chosen)
    return Line(
        label,
        fraction,
        _mean_rates(seen, chosen) if seen else None,
        _mean_rates(new, chosen),
        differences,
        add_counts(new[0][group] for group in chosen),
    )


def _mean_rates(
    seeds: Sequence[_Groups], groups: Sequence[str]
) -> dict[str, Mean | None]:
    found = [
        rates(cast(Mapping[str, float], add_counts(of_seed[g] for g in groups)))
        for of_seed in seeds
    ]
    return {name: mean(one[name] for one in found) for name in RATES}


def _differences(
    seen: Sequence[_Groups], new: Sequence[_Groups], groups: Sequence[str]
) -> dict[str, Interval]:
    """New less seen, with an interval over groups.

    Seeds are added up: they are no products of their own.
    """
    found = {}
    for name, (part, whole) in RATES.items():
        data = [
            np.array([sum(_number(one[g], key) for one in seeds) for g in groups])
            for seeds in (seen, new)
            for key in (part, whole)
        ]
        found[name] = bootstrap(_difference, data)
    return found


def _difference(*counts: Any, axis: int = -1) -> Any:
    """Of numerator and denominator as seen, and of both as new."""
    seen_part, seen_whole, new_part, new_whole = counts
    seen_rate, new_rate = (
        np.sum(part, axis=axis) / np.maximum(np.sum(whole, axis=axis), 1)
        for part, whole in ((seen_part, seen_whole), (new_part, new_whole))
    )
    return new_rate - seen_rate


def _number(counts: GroupCounts, name: str) -> int:
    return cast(Mapping[str, int], counts)[name]


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


def _test(run: Run, plan: Plan) -> str:
    """What the counts of a test are kept under."""
    return f'{plan.test_split}, step {run.config.train.steps}'


def _finished_counts(run: Run, plan: Plan, root: pathlib.Path) -> dict[str, _Groups]:
    others = () if run.left_out else plan.other_data
    found = _read_counts(root / run.name).get(_test(run, plan), {})
    if {run.config.data.data_dir, *others} - found.keys():
        path = root / run.name / _COUNTS_FILE
        raise FileNotFoundError(f'{path}: incomplete; run the same command to the end.')
    return found


def _read_counts(workdir: pathlib.Path) -> dict[str, dict[str, _Groups]]:
    """Test -> data set -> group -> counts; {} before the first test.

    Raises:
        ValueError: the file is damaged.
    """
    path = workdir / _COUNTS_FILE
    if not path.exists():
        return {}
    counted = read_object(path, remedy=_REMEDY)
    try:
        for found in counted.values():
            for groups in found.values():
                add_counts(groups.values())
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f'{path}: damaged. {_REMEDY}') from None
    return counted
