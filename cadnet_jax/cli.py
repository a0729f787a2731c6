"""How a script starts and ends: quiet, with one clear line when something is wrong."""

import functools
import os
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging


def run(main: Callable[[list[str]], None], *, arguments: str = '') -> None:
    """Parses the flags, calls `main` with what is left of `sys.argv`, and exits.

    `arguments` is what a script takes beside flags, at least one, as its docstring
    and so --help names it: 'WORKDIR...'. By default it takes flags alone.

    The exit status is 0 where `main` returns, 130 where it is interrupted from the
    keyboard, and 1 after a ValueError, an OSError or a flag that cannot be: then
    the message is one line on stderr. With --verbosity=1 the traceback comes too.

    Compiled programs are kept between runs in the user's cache folder, or where
    JAX_COMPILATION_CACHE_DIR says.
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
        # Not before the error is forgotten: what it held, such as a progress bar, is
        # closed then and may print.
        if line:
            print(line, file=sys.stderr)
        return status

    _keep_compiled_programs()
    parser = functools.partial(parse_flags, arguments=arguments)
    app.run(guarded, flags_parser=parser)


def parse_flags(argv: list[str], *, arguments: str = '') -> list[str]:
    """Parses `argv`, whose first entry is the command, and returns what is no flag.

    With `arguments` (see `run`) these may stand among the flags in any order. Where a
    flag or an argument is not known it exits with one line. Flags that were parsed
    before and are not in `argv` keep their values.
    """
    flags.FLAGS.set_gnu_getopt(bool(arguments))
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        message = re.sub(
            r'flag (--\w+)=None: Flag \1 must have a value other than None\.',
            r'\1 is missing.',
            _describe(error),
        )
        sys.exit(_fail(f'{message} (--help lists the flags.)'))
    if arguments and len(rest) == 1:
        sys.exit(_fail(f'{arguments} is missing. (--help shows how it is given.)'))
    if not arguments and len(rest) > 1:
        sys.exit(
            _fail(
                f'unexpected argument {rest[1]!r}: values are given as --flag=value, '
                'and a switch is turned off by --noflag.'
            )
        )
    # absl would raise the level to INFO, at which Orbax reports each step of a save.
    if flags.FLAGS['verbosity'].using_default_value:
        logging.set_verbosity(logging.WARNING)
    return rest


def _describe(error: Exception) -> str:
    """The message of `error` on one line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return ' '.join(str(error).removeprefix('ERROR:: ').split()) or repr(error)


def _fail(message: str) -> int:
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
    # XLA's warnings concern its authors; its errors still show.
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
