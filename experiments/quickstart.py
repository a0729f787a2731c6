"""Inspects a dozen example parts with the released weights, and writes a page.

    python experiments/quickstart.py

Nothing is prepared or trained. The page compares the network with plain differencing.
"""

import pathlib

import environment  # noqa: F401

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_OUTPUT_DIR = define_path('output_dir', 'build/quickstart', 'Folder for examples.html.')
_BOARD = pathlib.Path(__file__).parents[1] / 'docs' / 'example' / 'reference.png'
predictor_flags.define_network_flags()  # the rule is that of the page


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.benchmarks import example_page, examples  # slow to import
    from cadnet_jax.datasets.example_parts import draw_parts
    from cadnet_jax.files.images import read_image

    parts, differencing = examples.inspect_examples(
        predictor_flags.load_predictor(),
        draw_parts(read_image(_BOARD)),
    )
    path = pathlib.Path(_OUTPUT_DIR.value) / 'examples.html'
    path.parent.mkdir(parents=True, exist_ok=True)
    example_page.write_page(path, parts, differencing)
    print('\n'.join(example_page.table(parts)))
    print(f'Written: {path}')


if __name__ == '__main__':
    cli.run(main)
