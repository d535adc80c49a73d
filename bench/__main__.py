"""`python -m bench`: prints every user error as one line."""

from __future__ import annotations

import os
import sys

from bench.errors import UserError


def main() -> int:
    """Runs the command line; returns the exit code: 0, 1 (a bad result), 2 (a user error), 75 (the time is up), 130."""
    try:
        from bench import cli

        return cli.main(sys.argv[1:])
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "methods":
            raise
        print(f"error: {_hidden_by()} hides the project's own `methods`: go to another folder", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:  # torch's out of memory is a RuntimeError
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        print(
            f"error: out of memory ({str(error).splitlines()[0]}): try a smaller --chunk, or fewer filters",
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _hidden_by() -> str:
    """The other package named `methods` that Python found first, in the current folder."""
    import methods

    return str(methods.__file__ or next(iter(methods.__path__)))


if __name__ == "__main__":
    sys.exit(main())
