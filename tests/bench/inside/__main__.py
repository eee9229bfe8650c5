"""`python -m tests.bench.inside`: how fast Orlop looks inside images."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.bench import tables
from tests.bench.errors import BenchError
from tests.bench.inside.figures import Figure, table
from tests.bench.inside.measures import MEASURES, QUICK, Sizes
from tests.bench.machine import Machine, commit
from tests.bench.workspace import Workspace

BEGIN, END = "<!-- inside -->", "<!-- /inside -->"


def main(words: list[str] | None = None) -> int:
    """0 where all was measured, whether or not goals are met."""
    parser = argparse.ArgumentParser("python -m tests.bench.inside", description="How fast Orlop looks inside images.")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--only", action="append", choices=MEASURES, help="only these; may be repeated")
    parser.add_argument("--dir", type=Path, help="where the temporary data go (build/bench in the checkout)")
    parser.add_argument("--readme", type=Path, metavar="FILE", help=f"put the table between {BEGIN} and {END}")
    options = parser.parse_args(words)
    figures: list[Figure] = []
    try:
        with Workspace(options.dir) as workspace:
            for name in options.only or MEASURES:
                folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=workspace.root))
                for figure in MEASURES[name](folder, QUICK if options.quick else Sizes()):
                    figures.append(figure)
                    print(f"{figure.title}: {figure.value:.2f} {figure.unit}  ({figure.note})", file=sys.stderr)
                workspace.discard(folder)
            machine = Machine.of(workspace.root)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    found = table(figures)
    found.print(Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    if options.readme:
        version = commit()
        text = f"{found.markdown()}\n{machine}{f'; commit {version}' if version else ''}.\n"
        tables.insert(options.readme, text, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
