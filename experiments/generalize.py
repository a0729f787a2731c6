"""Measures whether a network finds defects on products that it has never seen.

    python experiments/generalize.py --flagfile=FLAGFILE --test_split=test \\
        --root=workdirs/generalize --seeds=3

It trains one network on all groups (products) and others that leave some of them out,
and tests each group both ways. Groups that only the test split has are new to all.
It writes generalization.html and generalization.json into --root, after each seed.
Ctrl-C saves; the same command resumes.
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli, config_flags
from cadnet_jax.path_flags import define_path, define_paths

_ROOT = define_path('root', None, 'Folder for the folders of the runs.', required=True)
_TEST_SPLIT = flags.DEFINE_string('test_split', 'test', 'Split that is tested.')
_FOLDS = flags.DEFINE_integer(
    'folds', 0, 'Folds in which groups are left out; 0: one group at a time.', 0
)
_FRACTIONS = flags.DEFINE_multi_float(
    'fraction', [1.0], 'Share of the labels; can be repeated.', 0, 1
)
_SEEDS = flags.DEFINE_integer('seeds', 1, 'Runs of each kind.', lower_bound=1)
_OTHER_DATA = define_paths(
    'other_data',
    'Prepared data on whose --test_split the network that learned from all groups is '
    'also tested, such as SynLCD with the other kind of defects.',
)
config_flags.define_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.reports import (
        generalization,
        generalization_page,
        generalization_plan,
    )

    plan = generalization_plan.make_plan(
        config_flags.from_flags(),
        _TEST_SPLIT.value,
        folds=_FOLDS.value,
        fractions=_FRACTIONS.value,
        seeds=_SEEDS.value,
        other_data=_OTHER_DATA.value,
    )
    root, runs = pathlib.Path(_ROOT.value), generalization_plan.runs_of(plan)
    for number, run in enumerate(runs, start=1):
        print(f'{number} of {len(runs)}: {run.name}', flush=True)
        if not generalization.complete(run, plan, root):
            return
        if number % (len(runs) // plan.seeds) == 0:  # all of a seed
            done = plan._replace(seeds=number * plan.seeds // len(runs))
            lines = generalization.summarize(done, root)
            generalization_page.write_report(done, lines, root)
    print(
        generalization_page.format_lines(lines),
        *generalization_page.answer(plan, lines),
        generalization_page.describe_weights(plan),
        f'Written: {root}',
        sep='\n',
    )


if __name__ == '__main__':
    cli.run(main)
