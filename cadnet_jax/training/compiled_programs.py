"""Which training runs keep no compiled programs for the next start.

jaxlib 0.10 loads a kept program of the CPU by recursion over its kernels, in a thread
whose stack has 2 MB. A program of 1,370 kernels was loaded; with one of 2,095 the
process dies of a segmentation fault. The training steps of DeepLabV3+ and DANet have
1,200, and that of OCRNet has 2,365.
"""

import jax

from cadnet_jax.models.heads import HEADS


def keep_what_can_be_loaded(head: str) -> None:
    """Turns JAX's compilation cache off where the CPU cannot load the training step.

    The step is then compiled at each start. Call it before anything is compiled.
    """
    if not HEADS[head].step_loads_on_cpu and jax.default_backend() == 'cpu':
        jax.config.update('jax_enable_compilation_cache', False)
