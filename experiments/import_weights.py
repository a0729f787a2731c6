"""Makes weights from elsewhere a checkpoint that train.py starts from.

python experiments/import_weights.py --weights=mit_b0.pth --output_dir=mit_b0
python experiments/train.py --init_from=mit_b0 ...

Known are the names of the published CADNet, of mmsegmentation and NVlabs' SegFormer
and of Hugging Face's SegformerModel; files are .npz, .safetensors, .pth or .bin.
"""

from absl import flags

from cadnet_jax import cli, config

_WEIGHTS = flags.DEFINE_string('weights', None, 'File to read.', required=True)
_OUTPUT_DIR = flags.DEFINE_string(
    'output_dir', None, 'Folder for the checkpoint.', required=True
)
_VARIANT = flags.DEFINE_enum(
    'variant', 'b0', config.VARIANTS, 'Mix Transformer that the weights are of.'
)
_HEAD = flags.DEFINE_enum(
    'head', 'cad', config.HEADS, 'Decoder that the weights are of.'
)
_NUM_CLASSES = flags.DEFINE_integer(
    'num_classes',
    0,
    'Classes of the decoder in the file, background included (2 for ooc); 0: the '
    'encoder alone is read.',
    lower_bound=0,
)


def main(argv: list[str]) -> None:
    del argv
    # Imported here, so that --help needs no JAX.
    from cadnet_jax.checkpoint import save_variables
    from cadnet_jax.models.cadnet import build_model
    from cadnet_jax.models.complexity import count_parameters
    from cadnet_jax.pretrained import convert, read_weights

    settings = config.ModelConfig(head=_HEAD.value, variant=_VARIANT.value)
    imported = convert(
        read_weights(_WEIGHTS.value),
        build_model(settings, _NUM_CLASSES.value or 2),
        source=_WEIGHTS.value,
        encoder_only=not _NUM_CLASSES.value,
    )
    parts = tuple(imported.variables['params'])
    save_variables(
        _OUTPUT_DIR.value,
        imported.variables,
        {'weights': _WEIGHTS.value, 'names': imported.layout, 'parts': parts},
    )
    print(
        f'{_OUTPUT_DIR.value}: {" and ".join(parts)}, '
        f'{count_parameters(imported.variables):,} parameters, '
        f'in the names of {imported.layout}.'
    )
    if imported.skipped:
        print(f'Skipped: {", ".join(imported.skipped)}.')


if __name__ == '__main__':
    cli.run(main)
