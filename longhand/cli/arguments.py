"""Arguments and options that several commands have."""

from typing import Annotated

import typer

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a job or a batch.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs: what the API answers.")]
