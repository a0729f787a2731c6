"""Inspects images of parts by a recipe: a verdict on each, with its reasons.

    python experiments/inspect_parts.py --recipe=RECIPE --image=IMAGE --output_dir=DIR

IMAGE is a folder, a CSV file with the column image, or one file. DIR gets results.csv,
results.jsonl and overlays/. The same command resumes where it stopped.
"""

import sys
import time

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_RECIPE = define_path('recipe', None, 'Folder of the recipe.', required=True)
_REVISION = flags.DEFINE_integer(
    'revision', None, 'An earlier revision of it. Default: the latest.', lower_bound=1
)
_IMAGE = define_path(
    'image',
    None,
    'Folder of images, CSV file with the column image, or one image.',
    required=True,
)
_OUTPUT_DIR = define_path(
    'output_dir', None, 'Folder for the results, of one recipe.', required=True
)
_OVERLAYS = flags.DEFINE_bool('overlays', True, 'Write a picture of each part.')
_FAIL_ON = flags.DEFINE_enum(
    'fail_on',
    'none',
    ['none', 'invalid', 'ng'],
    'invalid: exit status 3 if a part is INVALID; ng: likewise, and 2 if one is NG and '
    'none INVALID. none: 0 if all parts have a verdict.',
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inspection import inspector, part_files  # slow to import

    parts = part_files.list_parts(_IMAGE.value)
    inspect = inspector.load_inspector(_RECIPE.value, _REVISION.value)
    start = time.perf_counter()
    counts = part_files.inspect_parts(
        inspect, parts, _OUTPUT_DIR.value, overlays=_OVERLAYS.value
    )
    rate = len(parts) / (time.perf_counter() - start)
    verdicts = ', '.join(f'{counts[v]} {v}' for v in ('OK', 'NG', 'INVALID'))
    print(f'{len(parts)} parts: {verdicts} ({rate:.1f} parts a second)')
    print(f'Written: {_OUTPUT_DIR.value}')
    if _FAIL_ON.value != 'none' and counts['INVALID']:
        sys.exit(3)
    if _FAIL_ON.value == 'ng' and counts['NG']:
        sys.exit(2)


if __name__ == '__main__':
    cli.run(main)
