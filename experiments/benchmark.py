"""Times the network, training and prediction on this machine.

    python experiments/benchmark.py --crop_size=512 --batch_size=1

Each workload runs in its own process, with random weights, in turn with the others;
with --compare='--batch_size=8' also with these settings. A device, by released weights:

    python experiments/benchmark.py --workload=all --output=device.json
    python experiments/benchmark.py --table_of=device.json
"""

import shlex

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli, config_flags
from cadnet_jax.benchmarks.tables import format_device, read_results
from cadnet_jax.path_flags import define_path

_NETWORK = ['forward', 'cached_forward', 'training_step']
_PREDICTION = ['prediction', 'cached_prediction']
_SHARED = ['network_shared', 'files_shared']  # of those that files stands for
_TORCH = ['torch_forward', 'torch_training_step']
_WORKLOAD = flags.DEFINE_multi_enum(
    'workload',
    _NETWORK,
    ['all', *_NETWORK, 'pipeline', *_PREDICTION, 'files', *_SHARED, *_TORCH],
    'What is timed; may be given several times. pipeline needs --data_dir; torch_* are '
    "Hugging Face's SegFormer-B0 on single images (needs torch and transformers).",
)
_COMPARE = flags.DEFINE_string('compare', None, 'Flags of the second settings.')
_IMAGE_SIZE = flags.DEFINE_integer('image_size', 512, 'Side in pixels.', lower_bound=1)
_DEVICES = flags.DEFINE_integer(
    'devices', 0, 'Virtual devices to split the CPU into; 0: none.', lower_bound=0
)
_FILES = flags.DEFINE_integer('files', 200, 'Files in a folder.', lower_bound=2)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Turns of each workload.', lower_bound=1)
_RUNS = flags.DEFINE_integer('runs', 4, 'Runs in each turn.', lower_bound=1)
_OUTPUT = define_path('output', None, 'JSON file for all figures.', is_file=True)
_TIME_LIMIT = flags.DEFINE_float('time_limit', 480, 'Seconds for --workload=all.')
_TABLE_OF = define_path('table_of', None, 'Show this file of --workload=all.')
config_flags.define_flags()


def main(argv: list[str]) -> None:
    if _TABLE_OF.value:
        print(format_device(read_results(_TABLE_OF.value)))
        return
    if 'all' in _WORKLOAD.value:
        from cadnet_jax.benchmarks.device import check_flags, measure_device

        check_flags(flags.FLAGS)
        measure_device(_OUTPUT.value or 'device.json', time_limit=_TIME_LIMIT.value)
        return
    from cadnet_jax.benchmarks import benchmark, workloads  # slow to import

    def settings() -> benchmark.Settings:
        return benchmark.Settings(
            config_flags.from_flags(), _IMAGE_SIZE.value, _DEVICES.value, _FILES.value
        )

    compared = [settings()]
    if _COMPARE.value:
        cli.parse_flags([*argv, *shlex.split(_COMPARE.value)])
        compared.append(settings())
    groups = workloads.interleaved(list(_WORKLOAD.value), compared)
    benchmark.report(groups, _OUTPUT.value, rounds=_ROUNDS.value, runs=_RUNS.value)


if __name__ == '__main__':
    cli.run(main)
