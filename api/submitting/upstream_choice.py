"""Whether the upstream that a job names can run it."""

from collections.abc import Sequence

from api.submitting.fields import invalid, join
from jobs.intake.submission import NewJob
from jobs.upstreams import Upstreams


def check_upstreams(upstreams: Upstreams, jobs: Sequence[NewJob], place: str = "") -> None:
    """Refuse the first job whose `upstream` there is not, or does not take its model. `place` has `{}` for its number.

    An API that was given no upstreams knows of none, and takes any name: the workers know.
    """
    if not upstreams.specs:
        return
    good: set[tuple[str, str]] = set()
    for number, job in enumerate(jobs):
        model = str(job.request.get("model"))
        name = job.only_upstream
        if name is None or (name, model) in good:
            continue
        spec = upstreams.find(name)
        at = join(place.format(number), "upstream")
        if spec is None:
            raise invalid(
                at, f"there is none of this name; there are {', '.join(spec.name for spec in upstreams.specs)}"
            )
        if not spec.takes(model):
            raise invalid(at, f"{name} does not take the model {model!r}; it takes {', '.join(spec.models)}")
        good.add((name, model))
