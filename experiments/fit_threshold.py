"""Fits --threshold to the share of the background that may be marked.

python experiments/fit_threshold.py --workdir=WORKDIR --split=val --share=0.003

It prints the threshold for evaluate.py and predict.py. It needs no labels of the
defects that the threshold is for; the split may have none of them.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path(
    'data_dir', '', 'Prepared data set. Default: the one that the run learned from.'
)
_SPLIT = flags.DEFINE_string('split', 'val', 'Split that is fitted on; never the test.')
_SHARE = flags.DEFINE_float(
    'share', 0.003, 'Of the pixels of the background, that may be marked.', 0, 1
)
_BATCH_SIZE = flags.DEFINE_integer(
    'batch_size', 4, 'Pairs that go through the network together.', lower_bound=1
)
predictor_flags.define_predictor_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import threshold_fit  # slow to import
    from cadnet_jax.runs import learned

    predictor = predictor_flags.load_predictor()
    data = _DATA_DIR.value or predictor.config.data.data_dir, _SPLIT.value
    learned.check_new(predictor.workdir, *data)
    found = threshold_fit.fit_threshold(
        predictor, *data, _SHARE.value, batch_size=_BATCH_SIZE.value
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
