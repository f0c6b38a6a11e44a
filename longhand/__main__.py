"""`python -m longhand` is the command `longhand`."""

from longhand.cli.command import main

main()
