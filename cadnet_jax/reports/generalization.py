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
import scipy.stats

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.batches import read_groups, read_info
from cadnet_jax.evaluation.group_counts import (
    RATES,
    GroupCounts,
    add_counts,
    count_groups,
    rates,
)
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.reports.grouping import Mean, mean
from cadnet_jax.runs import learned
from cadnet_jax.training.loop import train

_COUNTS_FILE = 'groups.json'
_DRAWS = 10_000
_CONFIDENCE = 0.95


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
    differences: Mapping[str, tuple[float, float, float]] | None
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
        ValueError: no such split, a setting is given that differs from run to run, or
            the two splits have fewer than two groups in common.
    """
    given = configs.differences(Config(), base)
    for name in ('seed', 'label_fraction', 'leave_out'):
        if name in given:
            raise ValueError(f'--{name}: differs from run to run; leave it out.')
    data_dir, split = base.data.data_dir, base.data.train_split
    common = sorted(read_groups(data_dir, split) & read_groups(data_dir, test_split))
    if len(common) < 2:
        raise ValueError(
            f'{data_dir}: {split!r} and {test_split!r} have {len(common)} groups in '
            'common; two are needed. Groups of the one alone are new anyway: '
            'evaluate.py says what is found of them.'
        )
    for other in other_data:
        read_info(other)
    number = min(folds, len(common)) if folds else len(common)
    dealt = tuple(tuple(common[start::number]) for start in range(number))
    return Plan(base, test_split, dealt, tuple(fractions), seeds, tuple(other_data))


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
    workdir = root / run.name
    if not train(run.config, workdir):
        return False
    if (workdir / _COUNTS_FILE).exists():
        return True
    predictor = load_predictor(workdir, 'latest')
    tests = [(run.config.data.data_dir, run.left_out)]
    if not run.left_out:
        tests += [(other, ()) for other in plan.other_data]
    for data_dir, _ in tests:
        learned.check_new(workdir, data_dir, plan.test_split)
    found = {
        data_dir: count_groups(
            predictor,
            data_dir,
            plan.test_split,
            batch_size=run.config.data.eval_batch_size,
            groups=groups,
        )
        for data_dir, groups in tests
    }
    write_json(workdir / _COUNTS_FILE, found)
    jax.clear_caches()  # the programs of many runs are more than one process can hold
    return True


def summarize(plan: Plan, root: pathlib.Path) -> list[Line]:
    """The lines of the report: of each share all groups, each group, and other data.

    Raises:
        FileNotFoundError: a run is not complete.
        ValueError: a file is damaged.
    """
    counts = {run.name: _read_counts(root / run.name) for run in runs_of(plan)}
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
) -> dict[str, tuple[float, float, float]]:
    """New less seen: its value and the ends of a bootstrap interval over groups.

    Seeds are added up: they are no products of their own.
    """
    found = {}
    for name, (part, whole) in RATES.items():
        data = [
            np.array([sum(_number(one[g], key) for one in seeds) for g in groups])
            for seeds in (seen, new)
            for key in (part, whole)
        ]
        result = scipy.stats.bootstrap(
            data,
            _difference,
            paired=True,
            vectorized=True,
            n_resamples=_DRAWS,
            confidence_level=_CONFIDENCE,
            method='percentile',
            rng=np.random.default_rng(0),
        )
        low, high = result.confidence_interval
        found[name] = float(_difference(*data)), float(low), float(high)
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


def _read_counts(workdir: pathlib.Path) -> dict[str, _Groups]:
    path = workdir / _COUNTS_FILE
    if not path.exists():
        raise FileNotFoundError(f'{path}: missing; run the same command to the end.')
    remedy = 'Delete it: the same command counts again.'
    return cast(dict[str, _Groups], read_object(path, remedy=remedy))
