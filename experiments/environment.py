"""Ends a script with one line if the project's virtual environment is not active.

Every script imports this first.
"""

import importlib.util
import sys

if not all(importlib.util.find_spec(name) for name in ('absl', 'cadnet_jax')):
    sys.exit(
        'error: cadnet_jax is not installed in this Python. In the repository, run: '
        'source .venv/bin/activate (make env creates it).'
    )
