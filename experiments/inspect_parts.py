"""Inspects images of parts by a recipe, and gives each a verdict with reasons.

    python experiments/inspect_parts.py --recipe=RECIPE --image=IMAGE --output_dir=DIR

IMAGE is a folder, a CSV file with the column image, or one file. DIR gets results.html,
results.csv, results.jsonl and overlays/. The same command resumes where it stopped.
"""

import sys

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_RECIPE = define_path('recipe', None, 'Folder of the recipe.', required=True)
_REVISION = flags.DEFINE_integer('revision', None, 'Revision. Default: the latest.', 1)
_IMAGE = define_path('image', '', 'Folder of images, CSV file, or one image.')
_RULES_ONLY = define_path(
    'rules_only',
    '',
    'In place of --image: results of a run with --keep_scores; its scores are judged '
    'by the rules and areas of this recipe, without the network.',
)
_OUTPUT_DIR = define_path(
    'output_dir', None, 'Folder for the results of one recipe.', required=True
)
_OVERLAYS = flags.DEFINE_bool('overlays', True, 'Write pictures.')
_KEEP_SCORES = flags.DEFINE_bool('keep_scores', False, 'Keep scores for --rules_only.')
_WATCH = flags.DEFINE_float(
    'watch',
    None,
    'Inspect files as they arrive in the folder, until none has arrived for this many '
    'seconds; 0: until Ctrl-C.',
    lower_bound=0.0,
)
_REQUIRE_VERIFIED = flags.DEFINE_bool(
    'require_verified', False, 'Refuse a revision that verify_recipe.py did not pass.'
)
_FAIL_ON = flags.DEFINE_enum(
    'fail_on',
    'none',
    ['none', 'invalid', 'ng'],
    'Exit status. invalid: 3 if a part is INVALID; ng: also 2 if one is NG. none: 0.',
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inspection import inspecting, part_files  # slow to import

    counts, summary = inspecting.inspect_files(
        _RECIPE.value,
        _OUTPUT_DIR.value,
        image=_IMAGE.value,
        rules_only=_RULES_ONLY.value,
        revision=_REVISION.value,
        watch=_WATCH.value,
        require_verified=_REQUIRE_VERIFIED.value,
        outputs=part_files.Outputs(_OVERLAYS.value, _KEEP_SCORES.value),
    )
    print(f'{summary}\nWritten: {_OUTPUT_DIR.value}')
    if _FAIL_ON.value != 'none' and counts['INVALID']:
        sys.exit(3)
    if _FAIL_ON.value == 'ng' and counts['NG']:
        sys.exit(2)


if __name__ == '__main__':
    cli.run(main)
