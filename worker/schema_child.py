"""The process in which texts are held to their schemas. It is ended, by itself, when one takes too long.

Each line of its input is a question, `{"schema", "text"}`; each line of its output is an answer, `{"mismatch"}`. It
ends with its input, so also with the worker that started it.
"""

import json
import signal
import sys

from jobs.answer_format import find_mismatch


def main() -> None:
    """Answer until the input ends."""
    cpu_seconds = float(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which drains
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        question = json.loads(line)
        # It counts the time of the CPU, because a busy machine is nobody's fault, and ends the process also in the
        # midst of a search that never comes back to Python.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        mismatch = find_mismatch(question["schema"], question["text"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps({"mismatch": mismatch}), flush=True)


if __name__ == "__main__":
    main()
