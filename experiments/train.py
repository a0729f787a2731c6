"""Trains CADNet on a prepared data set, or resumes a run that was stopped.

    python experiments/train.py --flagfile=experiments/flagfiles/deep_pcb.cfg \\
        --data_dir=prepared/deep_pcb/1.1.0 --workdir=WORKDIR

The same command resumes the run. SIGTERM or Ctrl-C saves it and exits with status 0.
"""

import pathlib

import environment  # noqa: F401
import jax
from absl import flags

from cadnet_jax import cli, config_flags
from cadnet_jax.path_flags import define_path

_WORKDIR = define_path(
    'workdir',
    None,
    'Directory of the run: settings, checkpoints, metrics.jsonl, TensorBoard events.',
    required=True,
)
_DISTRIBUTED = flags.DEFINE_bool(
    'distributed',
    False,
    'Train on several machines, or processes: each runs this command, with a work '
    'directory that all can reach. jax.distributed finds the others by the environment '
    '(Slurm, MPI, Kubernetes, Cloud TPU).',
)
_RESUME_FROM = flags.DEFINE_integer(
    'resume_from',
    None,
    'Step of the checkpoint to resume from if the latest one is damaged; those of '
    'later steps are removed. Give it once: the next start resumes from the latest.',
    lower_bound=0,
)
config_flags.define_flags()


def main(argv: list[str]) -> None:
    del argv
    if _DISTRIBUTED.value:
        try:
            # 100 s by default, in which the others wait for a process that died.
            jax.distributed.initialize(heartbeat_timeout_seconds=30)
        except ValueError as error:
            raise ValueError(
                f'--distributed: the environment names no other processes ({error}). '
                'Start the command with srun or mpirun, or leave the flag out.'
            ) from None
    from cadnet_jax.training import loop  # slow to import

    loop.train(
        config_flags.from_flags(),
        pathlib.Path(_WORKDIR.value),
        resume_from=_RESUME_FROM.value,
    )


if __name__ == '__main__':
    cli.run(main)
