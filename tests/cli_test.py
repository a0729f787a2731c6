"""A script ends with one clear line, also when something is wrong."""

import os
import pathlib
import subprocess
import sys

import pytest

from cadnet_jax.flagfiles import expand_flagfiles
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

SCRIPT = """
from absl import flags
from cadnet_jax import cli

flags.DEFINE_string('raises', '', 'What main raises.')
flags.DEFINE_integer('steps', 1, 'Steps.')
flags.DEFINE_bool('flip', True, 'Flip.')

def main(argv: list[str]) -> None:
    print('main ran', flags.FLAGS.steps, argv[1:])
    if flags.FLAGS.raises:
        raise eval(flags.FLAGS.raises)

cli.run(main)
"""


def _run(
    *arguments: str, script: str = SCRIPT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_main_runs_and_the_status_is_0() -> None:
    done = _run('--steps=3')
    assert (done.returncode, done.stdout, done.stderr) == (0, 'main ran 3 []\n', '')


@pytest.mark.parametrize(
    ('raised', 'line'),
    [
        ("ValueError('crop_size is 0')", 'error: crop_size is 0'),
        ("ValueError('two\\n  lines')", 'error: two lines'),
        ('ValueError()', 'error: ValueError()'),
        ("FileNotFoundError('a.png: no such file')", 'error: a.png: no such file'),
        ("OSError(28, 'No space left', 'b.png')", 'error: b.png: No space left'),
    ],
)
def test_an_error_is_one_line_without_a_traceback(raised: str, line: str) -> None:
    done = _run(f'--raises={raised}')
    assert done.returncode == 1
    assert done.stderr == line + '\n'


def test_verbosity_1_shows_the_traceback() -> None:
    done = _run("--raises=ValueError('crop_size is 0')", '--verbosity=1')
    assert done.returncode == 1
    assert 'Traceback' in done.stderr
    assert 'ValueError: crop_size is 0' in done.stderr


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    """Only what a user can mend is shortened."""
    done = _run("--raises=KeyError('encoder')")
    assert done.returncode == 1
    assert 'Traceback' in done.stderr


def test_an_interrupt_exits_130() -> None:
    done = _run('--raises=KeyboardInterrupt()')
    assert (done.returncode, done.stderr) == (130, 'interrupted\n')


WITH_A_BAR = """
from tqdm import tqdm
from cadnet_jax import cli

def numbers():
    yield from tqdm(range(3))

def main(argv):
    counted = numbers()
    next(counted)
    raise {raised}

cli.run(main)
"""


@pytest.mark.parametrize(
    ('raised', 'line'),
    [('KeyboardInterrupt', 'interrupted'), ("OSError('lost')", 'error: lost')],
)
def test_the_line_stands_alone_below_a_progress_bar(raised: str, line: str) -> None:
    """Also where the error is not raised in the loop that the bar counts."""
    done = _run(script=WITH_A_BAR.format(raised=raised))
    bar, last = done.stderr.rstrip('\n').rsplit('\n', maxsplit=1)
    assert '0/3' in bar and last == line


@pytest.mark.parametrize(
    ('argument', 'parts'),
    [
        ('--stepz=3', ['stepz', 'steps']),
        ('--steps=many', ['--steps=many', 'many']),
        ('--flagfile=missing.cfg', ['missing.cfg', 'No such file']),
        ('stray', ["'stray'", '--flag=value']),
    ],
)
def test_a_wrong_argument_is_one_line_and_main_does_not_run(
    argument: str, parts: list[str]
) -> None:
    """`--flip False` would otherwise leave flip on and `False` unread."""
    done = _run(argument)
    assert done.returncode != 0
    assert done.stdout == ''
    assert done.stderr.startswith('error: ')
    assert done.stderr.count('\n') == 1
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize('mark', [b'', b'\xef\xbb\xbf'], ids=['plain', 'marked'])
@pytest.mark.parametrize('first', [b'', b'# A comment.\n', b'\n// Another.\n'])
@pytest.mark.parametrize('end', [b'\n', b'\r\n'], ids=['LF', 'CRLF'])
def test_flagfiles_of_any_editor_are_read(
    tmp_path: pathlib.Path, mark: bytes, first: bytes, end: bytes
) -> None:
    """With a byte order mark, and Windows' ends of lines; also one inside another."""
    inner, outer = tmp_path / 'inner.cfg', tmp_path / 'outer.cfg'
    inner.write_bytes(mark + (first + b'--steps=3\n').replace(b'\n', end))
    outer.write_bytes(mark + first.replace(b'\n', end) + f'--flagfile={inner}'.encode())
    assert expand_flagfiles([f'--flagfile={outer}', 'a', '--', '--flagfile=x']) == [
        *('--steps=3', 'a', '--', '--flagfile=x')
    ]


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ('--steps=3'.encode('utf-16'), 'not text in UTF-8'),
        (b'--flagfile=%s', 'names itself'),
        (None, 'No such file'),
    ],
)
def test_a_flagfile_that_cannot_be_read_is_named(
    tmp_path: pathlib.Path, data: bytes | None, message: str
) -> None:
    path = tmp_path / 'flags.cfg'
    if data:
        path.write_bytes(data.replace(b'%s', str(path).encode()))
    done = _run(f'--flagfile={path}')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith(f'error: {path}: ') and done.stderr.count('\n') == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ('raised', 'line'),
    [
        ('RuntimeError("RESOURCE_EXHAUSTED: Out of memory\\nx")', '--crop_size (RESO'),
        ('MemoryError()', 'lower --batch_size or --crop_size.'),
    ],
)
def test_a_lack_of_memory_is_one_line_with_the_flags_to_lower(
    raised: str, line: str
) -> None:
    script = SCRIPT.replace(
        "'steps', 1, 'Steps.')",
        "'batch_size', 1, '')\nflags.DEFINE_integer('crop_size', 1, '')",
    ).replace('flags.FLAGS.steps', '0')
    done = _run(f'--raises={raised}', script=script)
    assert (done.returncode, done.stderr.count('\n')) == (1, 1)
    assert done.stderr.startswith('error: out of memory: lower --batch_size or ')
    assert line in done.stderr


WRITES_MUCH = """
import sys
from tqdm import tqdm
from cadnet_jax import cli

def main(argv):
    for _ in tqdm(range(300), mininterval=0):
        print('x' * 1000, flush=True)
    open(sys.argv[1], 'w').write('done')

cli.run(main, arguments='FILE')
"""


@pytest.mark.parametrize('command', ['| true', '2>&1 >/dev/null | true'])
def test_a_reader_that_goes_away_ends_nothing(
    tmp_path: pathlib.Path, command: str
) -> None:
    """What is written to a pipe that nobody reads is lost, and nothing else is."""
    script, file = tmp_path / 'script.py', tmp_path / 'file'
    script.write_text(WRITES_MUCH)
    line = f'{sys.executable} {script} {file} {command}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(['bash', '-c', line], capture_output=True, text=True)
    assert (done.returncode, file.read_text()) == (0, 'done')
    assert 'BrokenPipe' not in done.stderr


TAKES_FILES = SCRIPT.replace('cli.run(main)', "cli.run(main, arguments='FILE...')")


@pytest.mark.parametrize(
    'arguments',
    [('a', '--steps=3', 'b'), ('--steps=3', 'a', 'b'), ('a', 'b', '--steps=3')],
)
def test_arguments_that_a_script_names_stand_among_its_flags(
    arguments: tuple[str, ...],
) -> None:
    done = _run(*arguments, script=TAKES_FILES)
    assert done.stdout == "main ran 3 ['a', 'b']\n", done.stderr


@pytest.mark.parametrize(
    ('arguments', 'part'), [((), 'FILE... is missing'), (('a', '--stepz=3'), 'stepz')]
)
def test_named_arguments_are_required_and_flags_are_checked(
    arguments: tuple[str, ...], part: str
) -> None:
    done = _run(*arguments, script=TAKES_FILES)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1
    assert part in done.stderr


NEEDS_STEPS = SCRIPT.replace(
    'def main', "flags.mark_flag_as_required('steps')\n\ndef main"
).replace("'steps', 1,", "'steps', None,")


def test_a_value_with_a_space_and_no_quotes_is_what_the_error_names() -> None:
    """Not the flags behind it, which are there."""
    done = _run('--raises=part', '1.jpg', '--steps=3', script=NEEDS_STEPS)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith("error: unexpected argument '1.jpg': ")
    assert 'in quotes if they have spaces' in done.stderr
    assert done.stderr.count('\n') == 1


COMPILES_SLOWLY = """
from cadnet_jax import cli

def main(argv):
    import jax
    import jax.numpy as jnp
    jax.config.update('jax_enable_compilation_cache', False)
    sums = lambda: jax.lax.reduce_window(
        jnp.ones((64, 64)), 0.0, jax.lax.add, (45, 45), (1, 1), 'SAME'
    )
    jax.jit(sums).lower().compile()

cli.run(main)
"""


@pytest.mark.parametrize('level', ['0', None])
def test_complaints_about_slow_compilation_do_not_appear(level: str | None) -> None:
    """XLA calls them errors; here it works out a constant for more than a second."""
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': level or ''}
    if level is None:
        del environment['TF_CPP_MIN_LOG_LEVEL']
    done = _run(script=COMPILES_SLOWLY, environment=environment)
    assert done.returncode == 0, done.stderr
    assert ('slow_operation_alarm' in done.stderr) == (level == '0')
    assert level == '0' or not done.stderr


SHOW_CACHE = """
{import_at_top}
from cadnet_jax import cli

def main(argv):
    import jax
    print(jax.config.jax_compilation_cache_dir)

cli.run(main)
"""


@pytest.mark.parametrize('import_at_top', ['import jax', ''])
@pytest.mark.parametrize('named', [True, False], ids=['named', 'default'])
def test_compiled_programs_are_kept(
    tmp_path: pathlib.Path, import_at_top: str, named: bool
) -> None:
    """In the user's cache folder, unless the environment names another place."""
    environment = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'user')}
    del environment['JAX_COMPILATION_CACHE_DIR']
    expected = tmp_path / 'user' / 'cadnet_jax' / 'xla'
    if named:
        expected = tmp_path / 'named'
        environment['JAX_COMPILATION_CACHE_DIR'] = str(expected)
    script = SHOW_CACHE.format(import_at_top=import_at_top)
    done = _run(script=script, environment=environment)
    assert done.stdout == f'{expected}\n'


def test_importing_it_does_not_import_jax() -> None:
    """So that --help and a mistyped flag answer at once."""
    done = _run(script="import sys, cadnet_jax.cli; print('jax' in sys.modules)")
    assert done.stdout == 'False\n'


@pytest.mark.parametrize(
    'name', sorted(path.name for path in (ROOT / 'experiments').glob('*.py'))
)
def test_a_forgotten_virtual_environment_ends_in_one_line(name: str) -> None:
    """`-S` hides what is installed."""
    done = subprocess.run(
        [sys.executable, '-S', f'experiments/{name}', '--help'],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'source .venv/bin/activate' in line
