"""Prepares a data set for training: checks every file, then writes array_record files.

    python experiments/prepare_data.py --dataset=deep_pcb \
        --source_dir=DeepPCB/PCBData --output_dir=data
"""

import pathlib

from absl import flags

from cadnet_jax import cli, input_pipeline
from cadnet_jax.datasets import deep_pcb, preparation
from cadnet_jax.image_files import write_json

BUILDERS = {'deep_pcb': deep_pcb.Builder}

_DATASET = flags.DEFINE_enum(
    'dataset', None, list(BUILDERS), 'What is prepared.', required=True
)
_SOURCE_DIR = flags.DEFINE_string(
    'source_dir',
    None,
    'Directory with the files as their authors publish them (deep_pcb: PCBData, or the '
    'directory that holds it).',
    required=True,
)
_OUTPUT_DIR = flags.DEFINE_string(
    'output_dir',
    'prepared',
    'Directory to write in; the prepared data stand in OUTPUT_DIR/DATASET/VERSION.',
)
_OVERWRITE = flags.DEFINE_bool(
    'overwrite', False, 'Prepare the data again where they are prepared already.'
)


def main(argv: list[str]) -> None:
    del argv
    output_dir, make_builder = pathlib.Path(_OUTPUT_DIR.value), BUILDERS[_DATASET.value]
    done = make_builder(data_dir=output_dir).data_path.exists() and not _OVERWRITE.value
    data_dir = preparation.prepare(
        make_builder,
        output_dir,
        source_dir=pathlib.Path(_SOURCE_DIR.value),
        overwrite=_OVERWRITE.value,
    )
    info = input_pipeline.read_info(data_dir)
    write_json(data_dir / 'summary.json', info._asdict())
    print_table(info)
    if done:
        print(f'Already prepared: {data_dir} (--overwrite prepares it again)')
    else:
        print(f'Prepared: {data_dir}')


def print_table(info: input_pipeline.DatasetInfo) -> None:
    """Prints the pairs, and the pixels of each class, with a column for each split."""
    rows: dict[str, dict[str, int]] = {'pairs': info.num_examples}
    for i, name in enumerate(info.class_names):
        rows[f'pixels of {name}'] = {s: n[i] for s, n in info.class_pixels.items()}
    print(' ' * 24 + ''.join(f'{split:>14}' for split in info.class_pixels))
    for name, row in rows.items():
        print(f'{name:<24}' + ''.join(f'{row[s]:>14,}' for s in info.class_pixels))


if __name__ == '__main__':
    cli.run(main)
