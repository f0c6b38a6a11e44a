"""Responses, chat completions and tools in one process: to import the SDK costs as much as a scenario."""

import asyncio
import sys

from tests.openai_sdk import scenario_completions, scenario_responses, scenario_tools


def main(url: str) -> None:
    """One after the other; the first that fails ends with its traceback."""
    asyncio.run(scenario_responses.main(url))
    asyncio.run(scenario_completions.main(url))
    scenario_tools.main(url)


if __name__ == "__main__":
    main(sys.argv[1])
