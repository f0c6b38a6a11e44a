"""The Celery design that people write: prefork, one process a stream, the SDK, one publish per delta.

`celery -A peer_celery worker -c STREAMS` with PEER_BROKER and PEER_UPSTREAM set; `peer_celery.py STREAMS` submits.
Needs `pip install 'celery[redis]' openai`.
"""

import os
import sys

import openai
import redis
from celery import Celery

app = Celery("peer", broker=os.environ["PEER_BROKER"])
app.conf.update(worker_prefetch_multiplier=1, task_ignore_result=True)
_redis = redis.Redis.from_url(os.environ["PEER_BROKER"])
_client = openai.OpenAI(base_url=os.environ["PEER_UPSTREAM"], api_key="none", max_retries=0)


@app.task(name="peer.write")  # type: ignore[untyped-decorator]  # Celery has no types
def write(number: int) -> None:
    """Stream one completion and tell each delta."""
    stream = _client.chat.completions.create(
        model="simulator",
        messages=[{"role": "user", "content": "Write."}],
        max_tokens=10_000_000,
        stream=True,
        extra_body={"simulate": {"deltas_per_second": 50, "first_delta_seconds": 0}},
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            _redis.publish(f"peer:{number}", chunk.choices[0].delta.content)


if __name__ == "__main__":
    for place in range(int(sys.argv[1])):
        write.delay(place)
