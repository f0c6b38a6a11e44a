"""The upstreams that jobs may name, checked when they are submitted: a job that names none of these would never run."""

from api.submitting.fields import invalid
from jobs.intake.submission import NewJob
from jobs.upstreams import Upstreams


class NamedUpstreams:
    """What jobs name is checked against the upstreams of this moment.

    An API that was given no upstreams knows of none, and takes any name: the workers know.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._good: set[tuple[str, str]] = set()

    def require(self, job: NewJob, at: str) -> None:
        """Raises `ApiError` with the field `at` if there is no such upstream, or it does not take the job's model."""
        name, model = job.only_upstream, str(job.request.get("model"))
        if name is None or (name, model) in self._good or not self._upstreams.specs:
            return
        self.require_name(name, at)
        spec = self._upstreams.find(name)
        if spec is not None and not spec.takes(model):
            raise invalid(at, f"{name} does not take the model {model!r}; it takes {', '.join(spec.models)}")
        self._good.add((name, model))

    def require_name(self, name: str | None, at: str) -> None:
        """Raises `ApiError` if there is no upstream of this name: of a batch of a file, before the file is read."""
        specs = self._upstreams.specs
        if name is not None and specs and self._upstreams.find(name) is None:
            known = ", ".join(spec.name for spec in specs)
            raise invalid(at, f"there is none of this name; there are {known}")
