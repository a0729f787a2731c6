"""Makes a recipe for inspection, or the next revision of one.

    python experiments/make_recipe.py --recipe=RECIPE --reference=GOOD.png \\
        --set=rules.any.threshold=0.8 --set=rules.any.min_area=40

RECIPE is a folder. A field that is not given keeps its value, or gets its default.
docs/inspection.md lists all fields.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path, define_paths

_RECIPE = define_path('recipe', None, 'Folder of the recipe.', required=True)
_REFERENCE = define_paths(
    'reference',
    'Image of a good part; may be repeated: the others are registered to the first.',
)
_VIEW = flags.DEFINE_string(
    'view',
    '',
    'View to which --reference, --inspect and --ignore belong, if a part has several; '
    'needs --set=part_pattern=... once.',
)
_WORKDIR = define_path(
    'workdir', None, "Work directory of a run; 'released': the released weights."
)
_STEP = flags.DEFINE_string(
    'step', None, "Checkpoint: 'best', 'latest', or a number of training steps."
)
_INSPECT = define_path(
    'inspect',
    None,
    'PNG of the size of the reference, black and white; what is not black is judged.',
)
_IGNORE = define_path(
    'ignore', None, 'Image of the size of the reference; what is not black is ignored.'
)
_SET = flags.DEFINE_multi_string(
    'set',
    [],
    'FIELD=VALUE, any other field of recipe.json, such as rules.join=4; the value is '
    'JSON or text. May be repeated.',
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inspection.making import make_recipe  # slow to import

    recipe = make_recipe(
        _RECIPE.value,
        view=_VIEW.value,
        references=_REFERENCE.value,
        workdir=_WORKDIR.value,
        step=_STEP.value,
        inspect=_INSPECT.value,
        ignore=_IGNORE.value,
        settings=_SET.value,
        report=print,
    )
    number = sum(len(view.references) for view in recipe.all_views().values())
    references = f'{number} reference{"s" if number > 1 else ""}'
    print(f'Written: {_RECIPE.value} (revision {recipe.revision}, {references})')


if __name__ == '__main__':
    cli.run(main)
