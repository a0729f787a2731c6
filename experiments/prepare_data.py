"""Prepares a data set for training: checks or makes it, then writes array_record files.

python experiments/prepare_data.py --dataset=deep_pcb --source_dir=DeepPCB/PCBData
python experiments/prepare_data.py --dataset=synlcd/mixed --output_dir=prepared
"""

import functools
import pathlib

from absl import flags

from cadnet_jax import cli
from cadnet_jax.image_files import write_json

_NAMES = ['deep_pcb', 'synlcd/line', 'synlcd/abpt', 'synlcd/mixed']
_DATASET = flags.DEFINE_enum('dataset', None, _NAMES, 'A data set.', required=True)
_SOURCE_DIR = flags.DEFINE_string(
    'source_dir',
    None,
    'Directory with the files as their authors publish them (deep_pcb: PCBData, or the '
    'directory that holds it; synlcd is generated and has none).',
)
_OUTPUT_DIR = flags.DEFINE_string(
    'output_dir',
    'prepared',
    'Directory to write in; the prepared data stand in OUTPUT_DIR/DATASET/VERSION.',
)
_OVERWRITE = flags.DEFINE_bool(
    'overwrite', False, 'Prepare the data again where they are prepared already.'
)
_SYNLCD = {
    'count': 'defective samples of each pattern, and as many defect-free (300)',
    'size': 'side of the images in pixels, 64 to 4096 in steps of 32 (512)',
    'seed': 'of all that is random; one seed, one data set (0)',
    'workers': 'processes, on which the data do not depend (one for each core)',
}
for _flag, _help in _SYNLCD.items():
    flags.DEFINE_integer(_flag, None, f'synlcd: {_help}.')


def main(argv: list[str]) -> None:
    del argv
    # Not at the top: the processes that generate data import this file as well.
    from cadnet_jax import input_pipeline
    from cadnet_jax.datasets import deep_pcb, preparation, synlcd

    name, _, config = _DATASET.value.partition('/')
    given = {f: flags.FLAGS[f].value for f in _SYNLCD if flags.FLAGS[f].present}
    if given and name != 'synlcd':
        raise ValueError(f'--{min(given)} is for synlcd, not for {name}; leave it out.')
    make_builder = deep_pcb.Builder
    if name == 'synlcd':
        make_builder = functools.partial(synlcd.Builder, config=config, **given)
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    done = make_builder(data_dir=output_dir).data_path.exists() and not _OVERWRITE.value
    data_dir = preparation.prepare(
        make_builder,
        output_dir,
        source_dir=_SOURCE_DIR.value and pathlib.Path(_SOURCE_DIR.value),
        overwrite=_OVERWRITE.value,
    )
    write_json(data_dir / 'summary.json', input_pipeline.read_info(data_dir)._asdict())
    print(preparation.describe(data_dir))
    hint = ' (--overwrite prepares it again)'
    print(f'{"Already prepared" if done else "Prepared"}: {data_dir}{hint * done}')


if __name__ == '__main__':
    cli.run(main)
