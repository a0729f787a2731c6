"""Checks your own pairs before anything is learnt from them.

    python experiments/check_data.py --source_dir=my_pairs --output_dir=check

prints a table of what was found and writes findings.csv and report.html, a page with
the worst pairs. The status is 1 where there are errors, which stop the preparation.

    python experiments/check_data.py --init_manifest=my_pairs

writes a first manifest.csv and classes.csv, for folders with files of equal names.
"""

import pathlib

from absl import flags

from cadnet_jax import cli
from cadnet_jax.datasets import builder_flags

_SOURCE_DIR = flags.DEFINE_string(
    'source_dir',
    None,
    'Directory with manifest.csv, or with the folders of images, references and masks.',
)
_INIT_MANIFEST = flags.DEFINE_string(
    'init_manifest',
    None,
    'Instead: directory to write a first manifest.csv and classes.csv in.',
)
_OUTPUT_DIR = flags.DEFINE_string(
    'output_dir', 'check', 'Folder for findings.csv and report.html.'
)
builder_flags.define_paired_folder_flags()


def main(argv: list[str]) -> None:
    del argv
    # Not at the top: the processes that read images import this file as well.
    from cadnet_jax.datasets import check_report
    from cadnet_jax.datasets.paired_folder import manifest
    from cadnet_jax.datasets.paired_folder.paired_folder_dataset_builder import (
        check_source,
    )

    options = builder_flags.paired_folder_options()
    if _INIT_MANIFEST.value and not _SOURCE_DIR.value:
        for path in manifest.init_manifest(pathlib.Path(_INIT_MANIFEST.value), options):
            print(f'Written: {path}')
        return
    if _INIT_MANIFEST.value or not _SOURCE_DIR.value:
        raise ValueError('give either --source_dir or --init_manifest.')
    source = manifest.read_source(pathlib.Path(_SOURCE_DIR.value), options)
    report = check_source(source, workers=flags.FLAGS['workers'].value)
    print(check_report.format_table(report))
    print(f'Written: {check_report.write(report, _OUTPUT_DIR.value or ".")}')
    if report.errors:
        first = report.errors[0].message
        raise ValueError(f'{len(report.errors)} errors, of which the first is {first}')


if __name__ == '__main__':
    cli.run(main)
