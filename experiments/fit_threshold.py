"""Fits --threshold to the share of the background that may be marked.

    python experiments/fit_threshold.py --workdir=WORKDIR --split=val --share=0.003

It prints the threshold for evaluate.py and predict.py. It needs no labels of the
defects that the threshold is for, and the split may have no such defects.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.evaluation import split_flags
from cadnet_jax.inference import predictor_flags

_SHARE = flags.DEFINE_float(
    'share', 0.003, 'Share of the background pixels that may be marked.', 0, 1
)
split_flags.define_split_flags('val', 'Split to fit on; never the test split.')
predictor_flags.define_network_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import threshold_fit  # slow to import

    predictor = predictor_flags.load_predictor()
    data = split_flags.new_split(predictor)
    found = threshold_fit.fit_threshold(
        predictor, *data, _SHARE.value, batch_size=flags.FLAGS.batch_size
    )
    defects = 'no defect is labeled'
    if found.defects is not None:
        defects = f"{found.defects:.1%} of the defects' pixels"
    print(
        f'--threshold={found.threshold:g}\nmarks {found.background:.3%} of the '
        f'background of {data[1]!r}; {defects}.'
    )


if __name__ == '__main__':
    cli.run(main)
