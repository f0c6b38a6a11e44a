"""What Hypothesis draws for a job's life: jobs to submit, and what workers do with them."""

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st

from jobs.lifecycle import transitions
from tests.store.store_fixtures import LIMITED, REFUSED

WORKERS = st.sampled_from(["w1", "w2", "w3"])
MODELS = st.sampled_from(["m1", "m2"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
PLACES = st.integers(min_value=0, max_value=40)
JOBS = st.fixed_dictionaries(
    {
        "model": MODELS,
        "max_attempts": st.integers(1, 3),
        "on_interrupt": st.sampled_from(["restart", "continue"]),
        "lasts": st.sampled_from([None, None, None, 40]),
    }
)
ENDINGS: dict[str, tuple[str, str, Callable[..., bool]]] = {
    "finish": ("completed", "completed", transitions.finish),
    "fail": ("failed", "failed", partial(transitions.fail, error=REFUSED)),
    "retry": ("failed", "queued", partial(transitions.retry, error=REFUSED)),
    "wait": ("rate_limited", "queued", partial(transitions.wait_for_limit, error=LIMITED)),
    "release": ("released", "queued", transitions.release),
    "cancel": ("cancelled", "cancelled", transitions.cancel_running),
    "expire": ("expired", "expired", transitions.expire_running),
}
VERBS = ["finish", "fail", "fail", "wait", "release", "release", "cancel", "expire"]

TURNS = st.fixed_dictionaries(
    {
        "worker": st.none() | WORKERS,
        "place": PLACES,
        "verb": st.sampled_from(VERBS),
        "text": TEXTS,
        "wait": st.sampled_from([0, 0, 3, 20]),
        "twice": st.booleans(),
    }
)
