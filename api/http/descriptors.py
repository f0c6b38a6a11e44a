"""How many sockets and files this process may have open."""

import resource
from logging import getLogger

log = getLogger(__name__)


def raise_descriptor_limit() -> None:
    """Let this process have as many connections as the system allows it: a usual soft limit, 1,024, is soon full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # where the hard limit is "unlimited" and the system has another idea
            log.warning("the limit of open files stays at %d: %s", soft, error)
