"""`python -m codegen` is `kontrakt`."""

from codegen.cli import main

main()
