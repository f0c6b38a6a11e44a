"""A streamed chat completion whose client goes away in the middle: python scenario_gone.py URL. Prints the job's id."""

import sys

from openai import OpenAI


def main(url: str) -> None:
    """Begin, say which job it is, and read on until killed."""
    client = OpenAI(base_url=url, api_key="none")
    raw = client.chat.completions.with_raw_response.create(
        model="simulator", messages=[{"role": "user", "content": "Write 80 words about rain."}], stream=True
    )
    chunks = iter(raw.parse())
    while not next(chunks).choices[0].delta.content:
        pass
    print(raw.headers["x-job-id"], flush=True)
    for _ in chunks:
        pass


if __name__ == "__main__":
    main(sys.argv[1])
