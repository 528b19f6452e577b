"""The command line: everything without the dashboard, for scripts and CI.

    python -m compression models --json
    python -m compression run RECIPE.json --json --out DIR
    python -m compression sweep SWEEP.json --json
    python -m compression search --model MODEL --max-bytes 200000 --minutes 10 --json
    python -m compression sparse MODEL --json
    python -m compression decode STORED_FILE --onnx OUT.onnx
    python -m compression data MODEL --split test --out test.npz
    python -m compression add-data NAME ZIP_FOLDER_OR_NPZ
    python -m compression add-model NAME --onnx FILE --data DATA
    python -m compression check NAME --json

Exit codes: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted. Numbers go to standard
output, progress and errors to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from compression.cli import bringing, measuring, searching
from compression.cli.terminal import complain
from compression.errors import CompressionError, InvalidRecipe, UnknownModel


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        return code
    except (InvalidRecipe, UnknownModel) as error:
        return complain(error, 2)
    except CompressionError as error:
        return complain(error, 1)
    except KeyboardInterrupt:
        return complain("interrupted; what was measured so far is kept", 130)
    except BrokenPipeError:  # the reader (head, say) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compression", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    bringing.add_commands(commands)
    measuring.add_commands(commands)
    searching.add_commands(commands)
    return parser
