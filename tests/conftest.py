"""What all tests share. The environment is set here, before JAX is imported."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Tolerances are stated for the CPU; JAX_PLATFORMS=cuda runs the tests elsewhere.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(ROOT / '.jax_cache'))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.3')
# Arrays of different rank never meet by accident.
os.environ.setdefault('JAX_NUMPY_RANK_PROMOTION', 'raise')

import jax  # noqa: E402 (reads the environment)

from cadnet_jax.models.heads import HEADS  # noqa: E402
from cadnet_jax.models.mix_transformer import VARIANTS  # noqa: E402
from tests.support.tiny_networks import SHALLOW_UNETS, TINY  # noqa: E402

# In the background a shell has its jobs ignore Ctrl-C, and the scripts that tests
# interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# A trace is many small objects. To visit all of them over and over takes a tenth of the
# time of the tests, or more.
gc.set_threshold(100_000, 20, 20)


def pytest_collection_finish() -> None:
    """What has been imported is not visited again."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: the last file of a run finds one core idle."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope='module', autouse=True)
def compiled_programs_are_dropped() -> Iterator[None]:
    """After each module: the programs of all of them take more memory maps than the
    kernel grants a process (vm.max_map_count), and the compiler crashes then.
    """
    yield
    jax.clear_caches()


@pytest.fixture(scope='module')
def small_b0() -> Iterator[None]:
    """The variant b0 has few channels, where a test is of all but the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, 'b0', TINY)
        yield


@pytest.fixture(scope='module')
def small_unet() -> Iterator[None]:
    """The heads unet and fc_siam_diff have two levels of few channels."""
    with pytest.MonkeyPatch.context() as patch:
        for head, row in SHALLOW_UNETS.items():
            patch.setitem(HEADS, head, row)
        yield


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
    """The folder of lent data and reference arrays, beside the repository.

    CADNET_SHARED names another place. Where it is absent the test is skipped.
    """
    path = pathlib.Path(os.environ.get('CADNET_SHARED', ROOT.parent / 'shared'))
    if not path.is_dir():
        pytest.skip(f'{path} is absent: it holds lent data and reference arrays.')
    return path


@pytest.fixture(scope='session')
def run_with_devices() -> Callable[[str, int], str]:
    """A function that runs Python code on a number of virtual CPU devices.

    The number is fixed when JAX starts, so the code runs in a process of its own;
    what it prints on stdout is returned, and a failure shows its stderr.
    """

    def run(code: str, devices: int) -> str:
        environment = {
            **os.environ,
            'JAX_PLATFORMS': 'cpu',
            'XLA_FLAGS': f'{os.environ.get("XLA_FLAGS", "")} '
            f'--xla_force_host_platform_device_count={devices}',
        }
        done = subprocess.run(
            [sys.executable, '-c', textwrap.dedent(code)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
