"""How a script starts and ends: quiet, with one clear line when something is wrong."""

import errno
import functools
import os
import re
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO, cast

from absl import app, flags, logging

from cadnet_jax.files.disk import is_full
from cadnet_jax.flagfiles import expand_flagfiles
from cadnet_jax.help_text import HelpFlag

# Pattern of absl's message about a flag -> a shorter message.
_SHORTER = {
    r'flag (--\w+)=None: Flag \1 must have .*': r'\1 is missing.',
    r'flag (--\w+)=: it is empty;': r'\1 is empty;',
}
_MEMORY_FLAGS = ('batch_size', 'crop_size', 'tile_size')
_LONGEST_REASON = 200  # characters of XLA's message that are shown


class Unbroken:
    """A text stream that drops what is written once nobody reads it any more.

    So a training run outlives the pipe or the terminal that shows its progress bar.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes `text`, if somebody reads it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered, if somebody reads it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())  # for writers in C++ as well
        os.close(nowhere)


def run(main: Callable[[list[str]], None], *, arguments: str = '') -> None:
    """Parses the flags, calls `main` with the rest of `sys.argv`, and exits.

    The exit status is 0 if `main` returns, and 130 after an interrupt from the
    keyboard. It is 1 after a ValueError, an OSError, a lack of memory, the end of
    another process of the run, or an invalid flag; the message is then one line on
    stderr, and with --verbosity=1 the traceback follows. The script goes on if the
    reader of stdout or stderr goes away (`| head`, a terminal that is closed).

    Compiled programs are kept between runs in the user's cache folder, or in the
    folder that JAX_COMPILATION_CACHE_DIR names.

    Args:
        main: the script; gets its name and its positional arguments.
        arguments: name of the positional arguments, of which there must be at least
            one, as in the docstring and so in --help: 'WORKDIR...'; '': the script
            takes flags only.
    """

    def guarded(argv: list[str]) -> int:
        status, line = 0, ''
        try:
            main(argv)
        except KeyboardInterrupt:
            status, line = 130, 'interrupted'
        except (ValueError, OSError) as error:
            if logging.level_debug():
                raise
            status, line = 1, f'error: {_describe(error)}'
        except (MemoryError, RuntimeError) as error:
            known = _is_out_of_memory(error) or _is_lost_peer(error)
            if logging.level_debug() or not known:
                raise
            status, line = 1, f'error: {_describe(error)}'
        # Not before the error is forgotten: what it held, such as a progress bar, is
        # closed then and may print.
        if line:
            print(line, file=sys.stderr)
        if status and _is_distributed():
            # At its end a process waits for the others, and they would wait for it.
            sys.stdout.flush()
            os._exit(status)
        return status

    _keep_compiled_programs()
    sys.stdout = cast(TextIO, Unbroken(sys.stdout))
    sys.stderr = cast(TextIO, Unbroken(sys.stderr))
    threading.excepthook = _report_thread
    app.define_help_flags()
    flags.DEFINE_flag(HelpFlag())
    parser = functools.partial(parse_flags, arguments=arguments)
    app.run(guarded, flags_parser=parser)


def parse_flags(argv: list[str], *, arguments: str = '') -> list[str]:
    """Parses flags, and exits with one line if a flag or an argument is unknown.

    Flags that were parsed before and are not in `argv` keep their values.

    Args:
        argv: the command, then flags and positional arguments in any order.
        arguments: see `run`.

    Returns:
        The command and the positional arguments.
    """
    flags.FLAGS.set_gnu_getopt()  # flags behind a stray argument are not lost
    try:
        rest = flags.FLAGS([*argv[:1], *expand_flagfiles(argv[1:])])
    except (OSError, ValueError) as error:
        sys.exit(_fail(_describe(error)))
    except flags.Error as error:
        message = _describe(error)
        for pattern, words in _SHORTER.items():
            message = re.sub(pattern, words, message)
        sys.exit(_fail(f'{message} (--help lists the flags.)'))
    if arguments and len(rest) == 1:
        sys.exit(_fail(f'{arguments} is missing. (--help shows how it is given.)'))
    if not arguments and len(rest) > 1:
        sys.exit(
            _fail(
                f'unexpected argument {rest[1]!r}: values are given as --flag=value, '
                'in quotes if they have spaces, and a switch is turned off by --noflag.'
            )
        )
    # absl would raise the level to INFO, at which Orbax reports each step of a save.
    if flags.FLAGS['verbosity'].using_default_value:
        logging.set_verbosity(logging.WARNING)
    return rest


def _report_thread(arguments: threading.ExceptHookArgs) -> None:
    """Prints one line; none for a full disk, which the waiting thread reports."""
    error = arguments.exc_value
    if logging.level_debug():
        threading.__excepthook__(arguments)
    elif error is not None and not is_full(error):
        print(f'error in a thread: {error!r}', file=sys.stderr)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; XLA's error for that is a RuntimeError."""
    return isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in str(error)


def _is_distributed() -> bool:
    """Whether this is one of the processes of a run."""
    jax = sys.modules.get('jax')
    return jax is not None and jax.distributed.is_initialized()


def _is_lost_peer(error: Exception) -> bool:
    """Whether an exchange between the processes of a run failed."""
    return _is_distributed() and bool(re.search('Gloo|NCCL', str(error)))


def _describe_memory(error: Exception) -> str:
    """A lack of memory on one line, with the flags that reduce the need."""
    names = [f'--{name}' for name in _MEMORY_FLAGS if name in flags.FLAGS]
    remedy = f'lower {" or ".join(names)}' if names else 'take smaller images'
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = f' ({lines[0][:_LONGEST_REASON]})' if lines else ''
    return f'out of memory: {remedy}{reason}.'


def _describe(error: Exception) -> str:
    """The message of `error` on one line."""
    if _is_out_of_memory(error):
        return _describe_memory(error)
    if _is_lost_peer(error):
        return (
            'another process of this run ended: see what it says, and start all of '
            'them again; they resume from the last checkpoint.'
        )
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return ' '.join(str(error).removeprefix('ERROR:: ').split()) or repr(error)


def _fail(message: str) -> int:
    """Prints an error; returns the exit status."""
    print(f'error: {message}', file=sys.stderr)
    return 1


def _keep_compiled_programs() -> None:
    """Turns JAX's persistent compilation cache on, whether JAX is imported or not."""
    user_cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    settings = {
        'JAX_COMPILATION_CACHE_DIR': (f'{user_cache}/cadnet_jax/xla', str),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': ('0.3', float),
    }
    for variable, (default, kind) in settings.items():
        value = os.environ.setdefault(variable, default)
        if jax := sys.modules.get('jax'):  # It read the environment when imported.
            jax.config.update(variable.lower(), kind(value))
    # XLA's log messages are for its authors, even "very slow compile", which it logs as
    # an error; real errors are raised.
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
