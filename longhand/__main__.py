"""`python -m longhand` is the command `longhand`, and so is the console script."""

from jobs.starting import loading

with loading():
    from longhand.cli.command import main

if __name__ == "__main__":
    main()
