"""Trains on lines and on points, and tests on both: LL, AA, LA and AL (figure 6).

    python experiments/cross_test.py --root=workdirs/synlcd --count=40 \\
        --flagfile=experiments/flagfiles/synlcd_small.cfg \\
        --prepared_dir=prepared/small --test_split='test[:25%]'

This is reproduce.py with --study=cross_test. It has the same folders and flags.
"""

import environment  # noqa: F401
import reproduce
from absl import flags

from cadnet_jax import cli

flags.adopt_module_key_flags(reproduce)

if __name__ == '__main__':
    flags.set_default(reproduce.STUDIES, ['cross_test'])
    cli.run(reproduce.main)
