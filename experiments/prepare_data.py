"""Prepares a data set for training: checks or generates it, writes array_record files.

python experiments/prepare_data.py --dataset=deep_pcb --source_dir=DeepPCB/PCBData
python experiments/prepare_data.py --dataset=synlcd/mixed --output_dir=prepared
python experiments/prepare_data.py --dataset=paired_folder --source_dir=my_pairs
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.datasets import builder_flags, catalogue
from cadnet_jax.files.atomic import write_json
from cadnet_jax.path_flags import define_path

_DATASET = flags.DEFINE_enum(
    'dataset', None, catalogue.NAMES, 'What to prepare.', required=True
)
_SOURCE_DIR = define_path(
    'source_dir',
    None,
    'Directory with the files as their authors publish them (deep_pcb: PCBData; '
    'pku_market_pcb: PCB_DATASET; mvtec_ad: the folders of the objects), or the '
    'directory that holds it; or with your own files. Data that are drawn have none.',
)
_OUTPUT_DIR = define_path(
    'output_dir',
    'prepared',
    'Directory to write in; the prepared data are in OUTPUT_DIR/DATASET/VERSION.',
)
_OVERWRITE = flags.DEFINE_bool(
    'overwrite', False, 'Prepare the data again if they are there already.'
)
builder_flags.define_option_flags()
builder_flags.define_paired_folder_flags()
flags.adopt_module_key_flags(builder_flags)


def main(argv: list[str]) -> None:
    del argv
    # Not at the top: the processes that make or read data import this file as well.
    import cv2

    from cadnet_jax.data.prepared_set import read_info
    from cadnet_jax.datasets import preparation

    cv2.setNumThreads(0)  # a builder takes processes, not threads
    source_dir = pathlib.Path(_SOURCE_DIR.value) if _SOURCE_DIR.value else None
    make_builder = builder_flags.make_builder(_DATASET.value, source_dir)
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    done = make_builder(data_dir=output_dir).data_path.exists() and not _OVERWRITE.value
    data_dir = preparation.prepare(
        make_builder, output_dir, source_dir=source_dir, overwrite=_OVERWRITE.value
    )
    write_json(data_dir / 'summary.json', read_info(data_dir)._asdict())
    print(preparation.describe(data_dir))
    hint = ' (--overwrite prepares it again)'
    print(f'{"Already prepared" if done else "Prepared"}: {data_dir}{hint * done}')


if __name__ == '__main__':
    cli.run(main)
