"""`python -m codegen` is `kontrakt`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C counts from here on, also while it is being loaded."""
    try:
        from codegen.cli import main as run  # noqa: PLC0415 - loading takes most of a short command

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
