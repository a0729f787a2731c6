"""Checks pairs before training: your own, or those of a prepared data set.

    python experiments/check_data.py --source_dir=my_pairs --output_dir=check
    python experiments/check_data.py --data_dir=prepared/deep_pcb/1.1.0

Both print a table of findings and write findings.csv and report.html, a page with the
worst pairs. The exit status is 1 if there are errors, which would stop prepare_data.py.

    python experiments/check_data.py --init_manifest=my_pairs

This writes a first manifest.csv and classes.csv, for folders with equal file names.
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.datasets import builder_flags
from cadnet_jax.path_flags import define_path

_SOURCE_DIR = define_path(
    'source_dir',
    '',
    'Directory with manifest.csv, or with the folders of images, references and masks.',
)
_DATA_DIR = define_path('data_dir', '', 'Or a prepared data set, to check that.')
_INIT_MANIFEST = define_path(
    'init_manifest', '', 'Or a directory, for a first manifest.csv and classes.csv.'
)
_OUTPUT_DIR = define_path(
    'output_dir', 'check', 'Folder for findings.csv and report.html.'
)
builder_flags.define_paired_folder_flags()
flags.adopt_module_key_flags(builder_flags)


def main(argv: list[str]) -> None:
    del argv
    # Not at the top: the processes that read images import this file as well.
    from cadnet_jax.datasets import check_report, preparation
    from cadnet_jax.datasets.paired_folder import paired_folder_dataset_builder as own

    given = [flag for flag in (_SOURCE_DIR, _DATA_DIR, _INIT_MANIFEST) if flag.value]
    if len(given) != 1:
        raise ValueError('give one of --source_dir, --data_dir and --init_manifest.')
    path, output_dir = (pathlib.Path(f.value) for f in (given[0], _OUTPUT_DIR))
    if _INIT_MANIFEST.value:
        print(builder_flags.init_manifest(path))
        return
    check_report.remove(output_dir)  # the old one says nothing about this check
    if _DATA_DIR.value:
        from cadnet_jax.data.prepared_set import read_info  # slow to import

        builder_flags.refuse_paired_folder_flags('--data_dir')
        read_info(path)  # says what is wrong with the directory
        report = preparation.check_prepared(path)
    else:
        source = builder_flags.read_paired_folder(path)
        output_dir.mkdir(parents=True, exist_ok=True)  # fails before the long work
        report = own.check_source(source, workers=flags.FLAGS['workers'].value)
    print(check_report.format_table(report))
    page = check_report.write(report, output_dir)
    print(f'Written: {page}', *check_report.warn_of_sets(report), sep='\n')
    if report.errors:
        first = report.errors[0].message
        raise ValueError(f'{len(report.errors)} errors, of which the first is {first}')


if __name__ == '__main__':
    cli.run(main)
