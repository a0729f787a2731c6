"""Compares two evaluations of the same pairs, made by evaluate.py.

    python experiments/compare_scores.py --first=A/metrics.json --second=B/metrics.json

Each line has the mean difference over pairs, the second minus the first, with a 95 %
interval from a paired bootstrap over groups: IoU of any defect, share of the defects
that are hit, false regions an image; and scores of boxes where both files have them.
"""

import environment  # noqa: F401

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_FIRST = define_path('first', None, 'metrics.json of one evaluation.', required=True)
_SECOND = define_path(
    'second', None, 'metrics.json of the other evaluation.', required=True
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import comparing

    differences = comparing.compare_files(_FIRST.value, _SECOND.value)
    print(comparing.format_differences(differences))


if __name__ == '__main__':
    cli.run(main)
