"""Turns weights from elsewhere into a checkpoint that train.py can start from.

    python experiments/import_weights.py --weights=mit_b0.pth --output_dir=mit_b0
    python experiments/train.py --init_from=mit_b0 ...

It knows the names of the published CADNet, of mmsegmentation and NVlabs' SegFormer,
of Hugging Face's SegformerModel, and of mmsegmentation's ResNets and HRNets (with
--head=fcn, for example). Files are .npz, .safetensors, .pth or .bin.
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli, model_config, path_flags
from cadnet_jax.models.heads import HEADS

_WEIGHTS = path_flags.define_path(
    'weights',
    None,
    "File to read; or the work directory of a run, or 'released', whose encoder is "
    'taken.',
    required=True,
)
_OUTPUT_DIR = path_flags.define_path(
    'output_dir', None, 'Folder for the checkpoint.', required=True
)
_VARIANT = flags.DEFINE_enum(
    'variant', 'b0', model_config.VARIANTS, 'Mix Transformer of the weights.'
)
_HEAD = flags.DEFINE_enum('head', 'cad', list(HEADS), 'Network of the weights.')
_NUM_CLASSES = flags.DEFINE_integer(
    'num_classes',
    0,
    'Classes of the decoder in the file, background included (2 for ooc); 0: the '
    'encoder alone is read.',
    lower_bound=0,
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.models.cadnet import build_model
    from cadnet_jax.models.complexity import count_parameters
    from cadnet_jax.weights import pretrained, released

    settings = model_config.ModelConfig(head=_HEAD.value, variant=_VARIANT.value)
    if released.is_released(_WEIGHTS.value) or pathlib.Path(_WEIGHTS.value).is_dir():
        imported = pretrained.encoder_of_run(_WEIGHTS.value)
    else:
        imported = pretrained.convert(
            pretrained.read_weights(_WEIGHTS.value),
            build_model(settings, _NUM_CLASSES.value or 2),
            source=_WEIGHTS.value,
            encoder_only=not _NUM_CLASSES.value,
        )
    pretrained.save_imported(imported, _OUTPUT_DIR.value, source=_WEIGHTS.value)
    parts = imported.variables['params']
    parameters = f'{count_parameters(imported.variables):,} parameters'
    print(f'{" and ".join(parts)}, {parameters}, in the names of {imported.layout}.')
    # A BatchNorm's counter of batches is no weight, and there are hundreds of them.
    skipped = [x for x in imported.skipped if not x.endswith('num_batches_tracked')]
    print(f'Skipped: {", ".join(skipped) or "nothing"}.')


if __name__ == '__main__':
    cli.run(main)
