"""Evaluates a checkpoint on a prepared split: metrics.json, curves, pictures, a page.

python experiments/evaluate.py --workdir=WORKDIR --split=test
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path(
    'data_dir', '', 'Prepared data set. Default: the one that the run learned from.'
)
_SPLIT = flags.DEFINE_string(
    'split', 'test', "Split that is evaluated; parts such as 'test[:10%]' work."
)
_BATCH_SIZE = flags.DEFINE_integer(
    'batch_size', 4, 'Pairs that go through the network together.', lower_bound=1
)
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
    'Folder for what is written. Default: evaluation/DATASET-SPLIT-STEP in WORKDIR; of '
    'the released weights in the current directory.',
)
_ALLOW_LEARNED = flags.DEFINE_bool(
    'allow_learned',
    False,
    'Evaluate pairs that the run learned from as well; how many they are is printed.',
)
_BOXES = define_path(
    'boxes',
    '',
    'Rule that fit_boxes.py wrote: boxes and windows are evaluated as well.',
)
predictor_flags.define_predictor_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import box_fit, evaluate  # slow to import
    from cadnet_jax.runs import learned

    predictor = predictor_flags.load_predictor()
    data_dir = _DATA_DIR.value or predictor.config.data.data_dir
    data = data_dir, _SPLIT.value
    learned.check_new(predictor.workdir, *data, allow_learned=_ALLOW_LEARNED.value)
    rule = box_fit.load_rule(_BOXES.value, predictor, *data) if _BOXES.value else None
    output_dir = _OUTPUT_DIR.value or evaluate.output_directory(predictor, *data)
    print(evaluate.class_note(predictor, data_dir), end='')
    metrics = evaluate.evaluate(
        predictor,
        *data,
        batch_size=_BATCH_SIZE.value,
        output_dir=output_dir,
        num_pictures=_NUM_PICTURES.value,
        box_rule=rule,
    )
    print(f'{evaluate.format_table(metrics)}\nWritten: {output_dir}')


if __name__ == '__main__':
    cli.run(main)
