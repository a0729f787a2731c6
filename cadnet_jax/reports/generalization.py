"""Whether a network finds defects on products that it never saw.

One run learns from all groups (products) of a training split, and others leave some of
them out. Each group of the test split is then tested twice: by the run that has seen
the product, and by the one that has not.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import jax
import numpy as np

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.selection import learned_pairs
from cadnet_jax.data.split_contents import read_groups
from cadnet_jax.evaluation.bootstrap import Interval, bootstrap
from cadnet_jax.evaluation.evaluate import describe_run
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
from cadnet_jax.reports.generalization_plan import Plan, Run, runs_of
from cadnet_jax.reports.grouping import Mean, mean
from cadnet_jax.runs import learned
from cadnet_jax.training.loop import train

LEFT_OUT = 'all that were left out'
NEVER_TRAINED = 'in no training part'
OTHER = 'other data: '
_COUNTS_FILE = 'groups.json'
_REMEDY = 'Delete it: the same command counts again.'


class Line(NamedTuple):
    """What is found of some groups.

    Attributes:
        label: their name.
        fraction: of the labels.
        seen: rate -> its mean over seeds, by the runs that learned from the groups;
            None where no run did, or not that of every seed.
        new: the same by the runs that did not.
        intervals: rate -> `new`, with the ends of an interval over the groups that have
            it; None for a single group.
        differences: rate -> new minus seen, likewise; None where nothing was seen.
        groups: how many.
        counts: of the pairs, of one run.
    """

    label: str
    fraction: float
    seen: Mapping[str, Mean | None] | None
    new: Mapping[str, Mean | None]
    intervals: Mapping[str, Interval] | None
    differences: Mapping[str, Interval] | None
    groups: int
    counts: GroupCounts


def complete(run: Run, plan: Plan, root: pathlib.Path) -> bool:
    """Trains what is left of a run, and counts what its last weights find.

    Returns:
        Whether it is complete; False where it was asked to stop.

    Raises:
        FileNotFoundError: the data are not there.
        ValueError: no such split, a tested pair is learned from, or the folder holds a
            run of other settings or a damaged file.
    """
    workdir, test = root / run.name, _test(run, plan)
    tests = {run.config.data.data_dir: run.left_out}
    if not run.left_out:
        tests |= {other: () for other in plan.other_data if other not in tests}
    for data_dir in tests:
        learned.check_will_be_new(run.config, data_dir, plan.test_split)
    counted = _read_counts(workdir)
    if not train(run.config, workdir):
        return False
    found = counted.get(test, {})
    predictor = load_predictor(workdir, 'latest')
    # Counts of other weights or other data may be there, under the same names.
    runs = {x: describe_run(predictor, x, plan.test_split) for x in tests}
    missing = [x for x in tests if x not in found or found[x]['run'] != runs[x]]
    if not missing:
        return True
    for data_dir in missing:
        groups = count_groups(
            predictor,
            data_dir,
            plan.test_split,
            batch_size=run.config.data.eval_batch_size,
            groups=tests[data_dir],
        )
        found[data_dir] = {'run': runs[data_dir], 'groups': groups}
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
        learned_groups = _learned_groups(plan, fraction)
        both = [group for group in left_out if group in learned_groups]
        of_all = seen if both == left_out else None
        if left_out:
            lines.append(_line(LEFT_OUT, fraction, of_all, new, left_out))
        if both and not of_all:
            label = f'{len(both)} of these, with drawn labels'
            lines.append(_line(label, fraction, seen, new, both))
        for group in left_out:
            of_group = seen if group in both else None
            lines.append(_line(group, fraction, of_group, new, [group]))
        if others := [group for group in seen[0] if group not in left_out]:
            lines.append(_line(NEVER_TRAINED, fraction, None, seen, others))
        whole = [run for run in runs_of(plan) if not run.left_out]
        for other in plan.other_data:
            found = [
                counts[run.name][other] for run in whole if run.fraction == fraction
            ]
            name = read_info(other).name
            lines.append(_line(f'{OTHER}{name}', fraction, None, found))
    return lines


_Groups = dict[str, GroupCounts]


class _Counted(TypedDict):
    """The counts of a data set; `run`: see `evaluate.describe_run`."""

    run: dict[str, Any]
    groups: _Groups


def _learned_groups(plan: Plan, fraction: float) -> frozenset[str]:
    """Groups that a label was drawn of in every seed: shares are drawn of all pairs."""
    drawn = (
        read_groups(
            run.config.data.data_dir,
            run.config.data.train_split,
            learned_pairs(run.config.data, run.config.train.seed),
        )
        for run in runs_of(plan)
        if run.fraction == fraction and not run.left_out
    )
    return frozenset.intersection(*drawn)


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
    of_seeds = [_arrays(of_seed, chosen) for of_seed in new]
    seen_seeds = [_arrays(of_seed, chosen) for of_seed in seen or ()]
    several = len(chosen) > 1
    return Line(
        label,
        fraction,
        _mean_rates(seen, chosen) if seen else None,
        _mean_rates(new, chosen),
        _intervals(_mean_rate, of_seeds) if several else None,
        _intervals(_difference, of_seeds + seen_seeds) if several and seen else None,
        len(chosen),
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


_Arrays = dict[str, np.ndarray]


def _arrays(of_seed: _Groups, groups: Sequence[str]) -> _Arrays:
    """Name of a count -> its number for each group."""
    names = {name for of_rate in RATES.values() for name in of_rate}
    counts = [cast(Mapping[str, int], of_seed[group]) for group in groups]
    return {name: np.array([one[name] for one in counts]) for name in names}


def _intervals(
    statistic: Callable[..., Any], seeds: Sequence[_Arrays]
) -> dict[str, Interval]:
    """Of each rate, a statistic of numerator and denominator of each seed in turn.

    A group in which a rate is not defined, such as hits without a defect, takes no part
    in it. A rate that fewer than two groups have is left out.
    """
    found = {}
    for name, (part, whole) in RATES.items():
        defined = np.all([seed[whole] > 0 for seed in seeds], axis=0)
        if np.count_nonzero(defined) > 1:
            data = [seed[key][defined] for seed in seeds for key in (part, whole)]
            found[name] = bootstrap(statistic, data)
    return found


def _mean_rate(*counts: Any, axis: int = -1) -> Any:
    """The mean over seeds; `counts`: see `_intervals`."""
    sums = [np.sum(count, axis=axis) for count in counts]
    of_seeds = [part / whole for part, whole in zip(sums[::2], sums[1::2], strict=True)]
    return np.mean(of_seeds, axis=0)


def _difference(*counts: Any, axis: int = -1) -> Any:
    """New minus seen; the first half of `counts` is of the seeds as new."""
    half = len(counts) // 2
    new, seen = counts[:half], counts[half:]
    return _mean_rate(*new, axis=axis) - _mean_rate(*seen, axis=axis)


def _test(run: Run, plan: Plan) -> str:
    """What the counts of a test are kept under."""
    return f'{plan.test_split}, step {run.config.train.steps}'


def _finished_counts(run: Run, plan: Plan, root: pathlib.Path) -> dict[str, _Groups]:
    others = () if run.left_out else plan.other_data
    found = _read_counts(root / run.name).get(_test(run, plan), {})
    if {run.config.data.data_dir, *others} - found.keys():
        path = root / run.name / _COUNTS_FILE
        raise FileNotFoundError(f'{path}: incomplete; run the same command to the end.')
    return {data_dir: of_data['groups'] for data_dir, of_data in found.items()}


def _read_counts(workdir: pathlib.Path) -> dict[str, dict[str, _Counted]]:
    """Test -> data set -> its counts; {} before the first test.

    Raises:
        ValueError: the file is damaged, or of an earlier version.
    """
    path = workdir / _COUNTS_FILE
    if not path.exists():
        return {}
    counted = read_object(path, remedy=_REMEDY)
    try:
        for found in counted.values():
            for of_data in found.values():
                add_counts(of_data['groups'].values())
                _ = of_data['run']
    except (AttributeError, KeyError, TypeError):
        raise ValueError(
            f'{path}: damaged, or of an earlier version. {_REMEDY}'
        ) from None
    return counted
