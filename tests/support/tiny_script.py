"""Runs a script with a network of few channels, which compiles in half the time.

python -m tests.support.tiny_script experiments/train.py --workdir=...
"""

import pathlib
import runpy
import sys

from cadnet_jax.models.mix_transformer import VARIANTS
from tests.support.tiny_networks import TINY

if __name__ == '__main__':
    VARIANTS['b0'] = TINY
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name='__main__')
