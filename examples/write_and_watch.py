"""Submits two prompts as one batch, prints their texts as they are written, and shows what is stored at the end.

Run it beside a running Longhand: python examples/write_and_watch.py
"""

from longhand import Client, Delta, Done

PROMPTS = ["Write 100 words about tea.", "Write 100 words about rain."]

with Client() as client:
    batch = client.submit(PROMPTS, model="gpt-4o-mini")
    print("watching", batch["id"])
    for event in client.watch(batch["id"], texts="all"):
        match event:
            case Delta():
                print(f"{event.job_id}: {event.text!r}")
            case Done():
                print(f"{event.job['id']}: {event.job['status']}, {event.bytes} bytes, SHA-256 {event.sha256}")
    for result in client.results(batch["id"]):
        print(result["status"], result["usage"], result.get("text", "")[:60])
