"""Times the network, training and prediction on this machine.

    python experiments/benchmark.py --crop_size=512 --batch_size=1

Each workload runs in a process of its own, with random weights, and in turn with the
others. With --compare each one is timed in turn with itself at a second setting:

    python experiments/benchmark.py --workload=training_step \\
        --compare='--batch_size=8 --dtype=bfloat16'
"""

import shlex

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli, config
from cadnet_jax.path_flags import define_path

_NETWORK = ['forward', 'cached_forward', 'training_step']
_TORCH = ['torch_forward', 'torch_training_step']
_WORKLOAD = flags.DEFINE_multi_enum(
    'workload',
    _NETWORK,
    [*_NETWORK, 'pipeline', 'prediction', 'cached_prediction', *_TORCH],
    'What is timed; may be given several times. pipeline needs --data_dir; torch_* are '
    "Hugging Face's SegFormer-B0 on single images (needs torch and transformers).",
)
_COMPARE = flags.DEFINE_string(
    'compare', None, "Flags of a second setting, for example '--batch_size=8'."
)
_IMAGE_SIZE = flags.DEFINE_integer(
    'image_size', 512, 'Side of the predicted images, in pixels.', lower_bound=1
)
_DEVICES = flags.DEFINE_integer(
    'devices', 0, 'Virtual devices to split the CPU into; 0: as it is.', lower_bound=0
)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Turns of each workload.', lower_bound=1)
_RUNS = flags.DEFINE_integer('runs', 4, 'Runs in each turn.', lower_bound=1)
_OUTPUT = define_path('output', None, 'JSON file for all figures.')
config.define_flags()


def main(argv: list[str]) -> None:
    from cadnet_jax import benchmark, workloads  # slow to import
    from cadnet_jax.files.atomic import write_json

    def settings() -> benchmark.Settings:
        return benchmark.Settings(
            config.from_flags(), _IMAGE_SIZE.value, _DEVICES.value
        )

    names, compared = list(_WORKLOAD.value), [settings()]
    if _COMPARE.value:
        cli.parse_flags([*argv, *shlex.split(_COMPARE.value)])
        compared.append(settings())
    results = []
    for group in workloads.in_turn(names, compared):
        results += benchmark.measure(group, rounds=_ROUNDS.value, runs=_RUNS.value)
        print(benchmark.format_table(results[-len(group) :]))
    if _OUTPUT.value:
        write_json(_OUTPUT.value, results)


if __name__ == '__main__':
    cli.run(main)
