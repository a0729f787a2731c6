"""Measures what a few labels achieve, from the released weights and from random ones.

    python experiments/few_labels.py --flagfile=experiments/flagfiles/few_labels.cfg \\
        --data_dir=prepared/deep_pcb/1.1.0 --root=workdirs/few_labels \\
        --fraction=0 --fraction=0.01 --fraction=0.05 --fraction=1 --seeds=3

It trains both ways with equal steps on each share of the labels, and tests the last
weights. It writes few_labels.md, .png and .json into --root. The same command resumes.
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli, config_flags
from cadnet_jax.path_flags import define_path

_ROOT = define_path('root', None, 'Folder for the folders of the runs.', required=True)
_TEST_SPLIT = flags.DEFINE_string('test_split', 'test', 'Split that is tested.')
_FRACTIONS = flags.DEFINE_multi_float(
    'fraction',
    [1.0],
    'Share of the labels; can be repeated. 0: the weights as they are.',
    0,
    1,
)
_SEEDS = flags.DEFINE_integer('seeds', 1, 'Runs of each kind.', lower_bound=1)
config_flags.define_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.reports import few_labels  # slow to import

    root = pathlib.Path(_ROOT.value)
    runs = few_labels.runs_of(config_flags.from_flags(), _FRACTIONS.value, _SEEDS.value)
    for number, run in enumerate(runs, start=1):
        print(f'{number} of {len(runs)}: {run.name}', flush=True)
        if not few_labels.complete(run, root, _TEST_SPLIT.value):
            return
    lines = few_labels.summarize(runs, root)
    few_labels.write_report(lines, root)
    print(f'{few_labels.format_table(lines)}\nWritten: {root}')


if __name__ == '__main__':
    cli.run(main)
