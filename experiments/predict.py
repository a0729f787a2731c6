"""Marks the defects of new pairs: class-id masks, overlays, and lists of defects.

    python experiments/predict.py --workdir=WORKDIR --output_dir=OUTPUT_DIR \\
        --image=IMAGE --reference=REFERENCE

IMAGE and REFERENCE are files, or folders with files of equal names. Without --workdir
the weights that come with the project are used.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_IMAGE = define_path('image', '', 'Inspected image, or a folder of them.')
_REFERENCE = define_path(
    'reference',
    '',
    'Aligned defect-free reference: a file, also for a folder of images, or a folder '
    'with a file of equal name for each image.',
)
_PAIRS = define_path('pairs', '', 'Or a CSV file with the columns image, reference.')
_OUTPUT_DIR = define_path(
    'output_dir',
    None,
    'Folder for results.json (its files, and skipped pairs) and, for each pair, '
    'NAME_mask.png (class ids), NAME_overlay.png and NAME.json (class, scores, box, '
    'area, centroid of defects).',
    required=True,
)
_PANELS = flags.DEFINE_bool('panels', False, 'Also panels with reference and DistMap.')
_SKIP_BAD = flags.DEFINE_bool('skip_bad', False, 'Skip pairs that cannot be read.')
_BIT_DEPTH = flags.DEFINE_integer(
    'bit_depth', 16, 'Of files of 16 bits: how many the camera fills.', 8, 16
)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, "Replace another run's results.")
predictor_flags.define_predictor_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inference import pair_files, pair_loading, predict_files  # slow

    pairs = pair_files.list_pairs(
        image=_IMAGE.value,
        reference=_REFERENCE.value,
        pairs=_PAIRS.value,
        bit_depth=_BIT_DEPTH.value,
    )
    skipped: list[str] = []
    if _SKIP_BAD.value:
        pairs, skipped = pair_loading.readable_pairs(pairs)
    pair_files.check_output_dir(pairs, _OUTPUT_DIR.value)
    predictor = predictor_flags.load_predictor()
    warnings = predict_files.predict_files(
        predictor,
        pairs,
        _OUTPUT_DIR.value,
        panels=_PANELS.value,
        overwrite=_OVERWRITE.value,
        checked=pair_loading.check_pairs(pairs),
        skipped=skipped,
    )
    marked = predict_files.count_marked(pairs, _OUTPUT_DIR.value)
    found = f'{len(pairs)} pairs, {marked} with defects'
    print(*skipped, *warnings, f'Written: {_OUTPUT_DIR.value} ({found})', sep='\n')


if __name__ == '__main__':
    cli.run(main)
