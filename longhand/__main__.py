"""`python -m longhand` is the command `longhand`."""

from longhand.command import main

main()
