"""Fits the rule that makes boxes from scores, on a training part with labeled boxes.

python experiments/fit_boxes.py --data_dir=prepared/deep_pcb/1.1.0 --split=val
python experiments/evaluate.py --data_dir=prepared/deep_pcb/1.1.0 --boxes=boxes.json
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
_BATCH_SIZE = flags.DEFINE_integer(
    'batch_size', 4, 'Pairs that go through the network together.', lower_bound=1
)
_OUTPUT = define_path('output', 'boxes.json', 'File of the rule.', is_file=True)
predictor_flags.define_predictor_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import box_evaluation, box_fit, boxes  # slow to import
    from cadnet_jax.runs import learned

    predictor = predictor_flags.load_predictor()
    data = _DATA_DIR.value or predictor.config.data.data_dir, _SPLIT.value
    learned.check_new(predictor.workdir, *data)
    rule, scores = box_fit.fit_boxes(predictor, *data, batch_size=_BATCH_SIZE.value)
    boxes.write_rule(_OUTPUT.value, rule)
    print(f'{rule.describe()}\nThere: {box_evaluation.format_scores(scores)}')
    print(f'Written: {_OUTPUT.value}')


if __name__ == '__main__':
    cli.run(main)
