"""Which runs keep their compiled programs: by the files in the cache."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

from cadnet_jax.models.heads import HEADS
from cadnet_jax.training.compiled_programs import keep_what_can_be_loaded

COMPILE = """
import sys
import jax
from cadnet_jax.training.compiled_programs import keep_what_can_be_loaded

keep_what_can_be_loaded(sys.argv[1])
print(jax.jit(lambda x: 2 * x)(3))
"""


@pytest.mark.slow
@pytest.mark.parametrize(('head', 'keeps'), [('ocrnet', False), ('danet', True)])
def test_a_program_that_the_cpu_cannot_load_is_not_kept(
    head: str, keeps: bool, tmp_path: pathlib.Path
) -> None:
    """The next start would end in a segmentation fault."""
    settings = {
        'JAX_PLATFORMS': 'cpu',
        'JAX_COMPILATION_CACHE_DIR': str(tmp_path),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    }
    done = subprocess.run(
        [sys.executable, '-c', COMPILE, head],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, '6\n'), done.stderr
    assert any(tmp_path.iterdir()) == keeps


@pytest.mark.parametrize('loads', [True, False])
def test_a_new_head_says_in_its_row_whether_its_step_can_be_loaded(
    loads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = HEADS['cad']._replace(step_loads_on_cpu=loads)
    monkeypatch.setitem(HEADS, 'fifth', row)
    monkeypatch.setattr(jax, 'default_backend', lambda: 'cpu')
    before = jax.config.values['jax_enable_compilation_cache']
    try:
        jax.config.update('jax_enable_compilation_cache', True)
        keep_what_can_be_loaded('fifth')
        assert jax.config.values['jax_enable_compilation_cache'] == loads
    finally:
        jax.config.update('jax_enable_compilation_cache', before)
