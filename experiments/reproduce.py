"""Runs the paper's experiments on SynLCD, and skips runs that are finished.

    python experiments/reproduce.py --flagfile=experiments/flagfiles/synlcd_small.cfg \\
        --prepared_dir=prepared/small --count=40 --root=workdirs/synlcd

It prepares SynLCD, then trains and evaluates run after run, all of seed 0 first. Ctrl-C
saves, and the same command resumes. The studies set head, seed, balance and labels.
"""

import functools
import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.config_flags import define_flags, from_flags
from cadnet_jax.path_flags import define_path

_NAMES = ['comparison', 'cross_test', 'few_labels', 'ablation']
STUDIES = flags.DEFINE_multi_enum(
    'study',
    _NAMES,
    [*_NAMES, 'networks', 'semi_supervised', 'boards', 'products'],
    'Table 3 (two rows), figure 6, table 6 (last row), table 7 of the paper; networks: '
    'the other rows of table 3, U-Net and FC-Siam-diff; semi_supervised: all of table '
    '6; boards, products: tables 4 and 5, also with these two networks, on public sets '
    'in --prepared_dir. Can be repeated.',
)
_HEADS = flags.DEFINE_multi_string('only_head', [], 'Only this head; can be repeated.')
_ROOT = define_path('root', None, 'Folder for the folders of the runs.', required=True)
_SEEDS = flags.DEFINE_integer('seeds', 1, 'Runs of each kind.', lower_bound=1)
_PREPARED_DIR = define_path(
    'prepared_dir', 'prepared', 'Prepared data; SynLCD is added if it is missing.'
)
_COUNT = flags.DEFINE_integer('count', 300, 'Samples per pattern of SynLCD.')
_SIZE = flags.DEFINE_integer('size', 512, 'Side of the images of SynLCD.')
_TEST_SPLIT = flags.DEFINE_string('test_split', 'test', 'Split that is tested.')
_NUM_PICTURES = flags.DEFINE_integer(
    'num_pictures', 4, 'Pairs of each test whose pictures are written.', lower_bound=0
)
define_flags()


def main(argv: list[str]) -> None:
    del argv
    # Not at the top: the processes that generate data import this file as well.
    from cadnet_jax.datasets import preparation, synlcd
    from cadnet_jax.reports import studies

    runs = studies.runs_of(STUDIES.value, from_flags(), _SEEDS.value, _HEADS.value)
    prepared, data_dirs = pathlib.Path(_PREPARED_DIR.value), {}
    options = {'count': _COUNT.value, 'size': _SIZE.value}
    kinds = {k for run in runs for k in (run.trained_on, *run.tested_on)}
    for kind in sorted(kinds & studies.PUBLIC.keys()):  # missing ones are said first
        data_dirs[kind] = studies.public_data(prepared, kind)
    for kind in sorted(kinds - studies.PUBLIC.keys()):
        make_builder = functools.partial(synlcd.Builder, config=kind, **options)
        data_dirs[kind] = preparation.prepare(make_builder, prepared)
    complete = functools.partial(
        studies.complete, split=_TEST_SPLIT.value, num_pictures=_NUM_PICTURES.value
    )
    for number, run in enumerate(runs, start=1):
        print(f'{number} of {len(runs)}: {run.name}', flush=True)
        if not complete(run, pathlib.Path(_ROOT.value), data_dirs):
            return
    report = f'python experiments/report.py {_ROOT.value}/* --output_dir=report'
    print(f'All runs are done. Their tables: {report}')


if __name__ == '__main__':
    cli.run(main)
