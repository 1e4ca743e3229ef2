"""Builds the image of the sandbox: `python -m sandbox.images --help`."""

import argparse
import sys
from collections.abc import Sequence

from sandbox.images.build import BuildOptions, make_image, remove_others
from sandbox.images.context import own_image
from sandbox.images.progress import Progress
from sandbox.runner import SandboxError

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    arguments = _arguments(argv)
    options = BuildOptions(base=arguments.base, pull=arguments.pull, force=arguments.force)
    progress = Progress(sys.stderr)
    try:
        built = make_image(options, progress)
        removed = remove_others() if arguments.remove_others else []
    except SandboxError as error:
        if not arguments.optional:
            progress.say(str(error))
            return 1
        progress.say(
            f"not built, which mathematics leagues do without; {error}; then: make sandbox-image"
        )
    except KeyboardInterrupt:
        progress.say("interrupted; the next build begins again")
        return _INTERRUPTED
    else:
        if built or not arguments.optional:
            progress.say(f"{own_image()} is {'ready' if built else 'up to date'}")
        for name in removed:
            progress.say(f"{name} is removed")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.images",
        description="Builds the image in which programs run, unless it is there already. "
        "Its base comes from a registry, or from Debian's packages where no registry answers.",
    )
    parser.add_argument("--base", metavar="IMAGE", default="", help="build on this Debian image")
    parser.add_argument(
        "--no-pull", dest="pull", action="store_false", help="ask no registry for a base"
    )
    parser.add_argument("--force", action="store_true", help="build anew, whatever there is")
    parser.add_argument(
        "--remove-others",
        action="store_true",
        help="then remove the images of other versions that no container was made of",
    )
    parser.add_argument(
        "--optional", action="store_true", help="succeed where it cannot be built, and say why"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
