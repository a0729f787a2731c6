"""Evaluates a checkpoint on a prepared split: metrics.json, curves, pictures, a page.

python experiments/evaluate.py --workdir=WORKDIR --split=test
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.evaluation import split_flags
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_NUM_PICTURES = flags.DEFINE_integer(
    'num_pictures',
    8,
    'Pairs whose pictures are written: pair and label; overlay (hits white, misses '
    'green, false alarms red); probability of a defect; DistMap.',
    0,
)
_OUTPUT_DIR = define_path(
    'output_dir',
    '',
    'Folder for what is written. Default: evaluation/DATASET-SPLIT-STEP in WORKDIR; '
    'for the released weights, in the current directory.',
)
_ALLOW_LEARNED = flags.DEFINE_bool(
    'allow_learned',
    False,
    'Also evaluate pairs that the run learned from; their number is printed.',
)
_BOXES = define_path(
    'boxes',
    '',
    'Rule that fit_boxes.py wrote; with it, boxes and windows are evaluated as well.',
)
split_flags.define_split_flags(
    'test', "Split that is evaluated; parts such as 'test[:10%]' work."
)
predictor_flags.define_predictor_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import box_fit, evaluate  # slow to import

    predictor = predictor_flags.load_predictor()
    data = split_flags.new_split(predictor, allow_learned=_ALLOW_LEARNED.value)
    rule = box_fit.load_rule(_BOXES.value, predictor, *data) if _BOXES.value else None
    output_dir = _OUTPUT_DIR.value or evaluate.output_directory(predictor, *data)
    print(evaluate.class_note(predictor, data[0]), end='')
    metrics = evaluate.evaluate(
        predictor,
        *data,
        batch_size=flags.FLAGS.batch_size,
        output_dir=output_dir,
        num_pictures=_NUM_PICTURES.value,
        box_rule=rule,
    )
    print(f'{evaluate.format_table(metrics)}\nWritten: {output_dir}')


if __name__ == '__main__':
    cli.run(main)
