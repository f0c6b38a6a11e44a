"""Kind D: deltas that repeat the text so far. They are trimmed, and an ordinary text that repeats itself is not."""

from itertools import accumulate

from tests.providers.case import Case, Whole, case, stream
from tests.providers.cases_framing import message
from tests.upstream.scripted_upstream import DONE, FINISH, text

GOOD = "Tea is good for you."
RULE = "#" * 79 + "\n"
IMPORT = "import { helper } from './lib';\n"


def cumulative(*texts: str) -> tuple[bytes, ...]:
    """Deltas as they stand here, then the end."""
    return (*map(text, texts), FINISH, DONE)


CASES: list[Case] = [
    case(
        "D",
        "each delta repeats the text so far",
        "QwenLM/qwen-code#3896",
        stream(*cumulative("Tea", "Tea is", "Tea is good", GOOD)),
        Whole(GOOD),
    ),
    case(
        "D",
        "each message repeats the text so far",
        "docs.perplexity.ai: chat completions",
        stream(message("Tea"), message("Tea is"), message("Tea is good"), message(GOOD, "stop"), DONE),
        Whole(GOOD),
    ),
    case(
        "D",
        "the last delta repeats a long text so far",
        "openclaw/openclaw#136262",
        stream(
            text("The history of tea is long and varied, "),
            text("and it begins in the mountains of the south."),
            text("The history of tea is long and varied, and it begins in the mountains of the south."),
            FINISH,
            DONE,
        ),
        Whole("The history of tea is long and varied, and it begins in the mountains of the south."),
    ),
    case(
        "D",
        "the last delta repeats a short text so far",
        "openclaw/openclaw#136262",
        stream(*cumulative("Tea is ", "a good ", "drink ", "for all.", "Tea is a good drink for all.")),
        Whole("Tea is a good drink for all."),
    ),
    case(
        "D",
        "two equal deltas at the start are no repetition",
        "posit-dev/chatlas#435",
        stream(*cumulative("\n", "\n", "Here is the answer.")),
        Whole("\n\nHere is the answer."),
    ),
    case(
        "D",
        "a line that the text repeats is no repetition",
        "QwenLM/qwen-code#3896",
        stream(*cumulative(IMPORT, IMPORT, "run();")),
        Whole(IMPORT * 2 + "run();"),
    ),
    case(
        "D",
        "a text that counts is no repetition",
        "posit-dev/chatlas#435",
        stream(*cumulative("1", "10", "100", ", and ", "1", "10")),
        Whole("110100, and 110"),
    ),
    case(
        "D",
        "a refrain is no repetition",
        "posit-dev/chatlas#435",
        stream(*cumulative("ha", "ha", "ha", " ha", "ha")),
        Whole("hahaha haha"),
    ),
    case(
        "D",
        "a long text so far in each of many deltas",
        "QwenLM/qwen-code#3896",
        stream(*cumulative(*("The history of tea is long and varied. "[:length] for length in range(4, 40, 3)))),
        Whole("The history of tea is long and varied."[:37]),
    ),
    case(
        "D",
        "a delta in the middle replays the text so far",
        "openclaw/openclaw#136262",
        stream(*cumulative("Tea", " is", " good", " for you", " in", " winter", "Tea is good for you in winter", ".")),
        Whole("Tea is good for you in winter.", message={"repeated_deltas": 1}),
    ),
    case(
        "D",
        "a banner that comes again is no repetition",
        "QwenLM/qwen-code#3896",
        stream(
            *cumulative(RULE, "# Backup script\n", RULE + "\nimport os\nimport sys\nimport subprocess\n", "main()\n")
        ),
        Whole(RULE + "# Backup script\n" + RULE + "\nimport os\nimport sys\nimport subprocess\nmain()\n"),
    ),
    case(
        "D",
        "two deltas are no repetition as long as nothing else says so",
        "QwenLM/qwen-code#3896",
        stream(*cumulative("好", "好的")),
        Whole("好好的", message={"repeated_deltas": None}),
    ),
    Case(
        "two deltas are a repetition from a model that repeats",
        "D",
        "QwenLM/qwen-code#3896",
        (
            stream(*cumulative(*accumulate(["Tea", " is", " good", " for", " you", " all", " day."]))),
            stream(*cumulative("好", "好的")),
            stream(*cumulative("好", "好的")),
        ),
        (Whole("Tea is good for you all day."), Whole("好的", message={"repeated_deltas": 1}), Whole("好好的")),
        models=("repeats", "repeats", "another"),
    ),
]
