"""Checks a recipe on its challenge set, or studies repeatability.

    python experiments/verify_recipe.py --recipe=RECIPE
    python experiments/verify_recipe.py --recipe=RECIPE --repeat=FOLDER

The first command inspects the parts in RECIPE/challenge/bad, which must be NG, and
those in challenge/good, which must be OK. FOLDER holds a folder of captures for each
part.
"""

import sys

import environment  # noqa: F401

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_RECIPE = define_path('recipe', None, 'Folder of the recipe.', required=True)
_REPEAT = define_path('repeat', '', 'Folder of repeated captures, for a gauge study.')


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inspection import verifying  # slow to import

    if _REPEAT.value:
        gauge = verifying.study_gauge(_RECIPE.value, _REPEAT.value)
        for name in gauge.flips:
            print(f'{name}: {", ".join(gauge.verdicts[name])}')
        print(
            f'{len(gauge.verdicts)} parts, {gauge.captures} captures each: the verdict '
            f'of {len(gauge.flips)} flips; scores spread by {gauge.spread:.3g} '
            f"(standard deviation within a part); Fleiss' kappa {gauge.kappa:.3f}"
        )
        return
    report = verifying.verify(_RECIPE.value)
    for miss in report.misses:
        print(miss)
    counts = ', '.join(f'{number} {kind}' for kind, number in report.counts.items())
    if report.misses:
        print(f'Revision {report.revision} is refused: {len(report.misses)} missed.')
        sys.exit(1)
    print(f'Revision {report.revision} is verified: {counts} parts.')


if __name__ == '__main__':
    cli.run(main)
