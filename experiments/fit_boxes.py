"""Fits the rule that makes boxes from scores, on a training part with labeled boxes.

python experiments/fit_boxes.py --data_dir=prepared/deep_pcb/1.1.0 --split=val
python experiments/evaluate.py --data_dir=prepared/deep_pcb/1.1.0 --boxes=boxes.json
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.evaluation import split_flags
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_OUTPUT = define_path('output', 'boxes.json', 'File of the rule.', is_file=True)
split_flags.define_split_flags('val', 'Split to fit on; never the test split.')
predictor_flags.define_network_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import box_evaluation, box_fit, boxes  # slow to import

    predictor = predictor_flags.load_predictor()
    data = split_flags.new_split(predictor)
    batch_size = flags.FLAGS.batch_size
    rule, scores = box_fit.fit_boxes(predictor, *data, batch_size=batch_size)
    boxes.write_rule(_OUTPUT.value, rule)
    print(f'{rule.describe()}\nThere: {box_evaluation.format_scores(scores)}')
    print(f'Written: {_OUTPUT.value}')


if __name__ == '__main__':
    cli.run(main)
