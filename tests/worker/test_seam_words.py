"""Words at a seam that look like a greeting, or like a fence that opens again, and are text: none of them is lost."""

import pytest

from tests.worker.joining import cut_seam, join
from worker.continuation import last_words

BEFORE = "Warm the milk gently in a small pot, and put the leaves into it when it begins to move.\n\n"
VERSE = "The river runs along the town tonight\nand nobody knows where it will go at dawn\n\n"

TEXTS = [
    "Continue to stir the pot for ten minutes, and then add: two eggs, sugar and a little salt.\n\nServe it warm.",
    "Continuing the tour, you reach the old harbour: three ships lie there.",
    "Here is the next step: add two eggs.\n\nStir.",
    "Here is the rest of the money: he took it.",
    "Here is the rest of the recipe:\n\n- eggs\n- flour",
    "Here are the remaining dates:\n\n- May 1\n- June 5",
    "This is the remaining work:\n\n- eggs\n- flour",
    "Picking up where the others had stopped, she drew a line: it was straight.",
    "Okay.\n\nThey left the house.",
    "Of course! He laughed.",
    "Sure.\n\nThat was all that she said.",
    "I will continue to write to you: every week.",
    "I apologize.\n\nHe said it twice.",
    "Continuity matters.\n\nIt always did.",
    "The rest is simple:\n\n1. Wait.\n2. Drink.",
    "...and then it was over.",
    "\"Here is the rest,\" he said: \"twenty pounds.\"",
    "---\n\n## The rest\n\nIt is short.",
    "接着，老人放下茶杯说：“你从哪里来？”年轻人没有回答。",
    "这是他最后一次来：第二天茶馆就关门了。",
    "我会告诉你三件事：第一，茶要热；第二，水要清。",
    "我将在这里等你：直到天亮。",
    "以下是具体步骤：\n\n1. 烧水\n2. 放茶",
    "下面是一个例子：\n\n茶很热。",
    "继续加热十分钟，然后加入：两个鸡蛋。",
    "好的。\n\n她点了点头。",
    "接下来的内容更重要：请记住三点。",
    "Weiter geht es mit dem zweiten Teil: dem Teig.",
    "Gerne.\n\nEr nickte.",
    "Hier ist der Rest der Geschichte: Sie blieb.",
    "Bien sûr.\n\nIl sourit.",
    "La suite est simple : on attend.",
    "Voici le reste du chemin :\n\n1. Tourner.",
    "Claro.\n\nElla se fue.",
    "Sigue removiendo diez minutos y añade: dos huevos.",
    "Aquí está el resto de la lista:\n\n- huevos",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("before", [BEFORE, "老人放下茶杯，看着窗外的河水慢慢流过。\n\n"], ids=["English", "Chinese"])
def test_words_that_look_like_a_greeting_stay_with_and_without_the_words_that_were_asked_for(
    before: str, text: str
) -> None:
    assert cut_seam(before, text) == text
    assert cut_seam(before, last_words(before) + text) == text


def test_the_words_that_were_asked_for_are_no_greeting_themselves() -> None:
    before = (
        "Warm the milk. " * 6 + "Then continue to pour the water over the leaves until the pot is full, and then serve"
    )
    assert cut_seam(before, last_words(before) + " it with two things: milk.") == " it with two things: milk."


def test_new_words_stay_although_the_end_of_the_text_stands_again_behind_them() -> None:
    song = "Here I rest my weary head,\nand all is well:\n\n" + VERSE
    assert cut_seam(VERSE + "Once more, then.\n\n" + VERSE, song) == song
    command = "longhand submit topics.csv --model gpt-4o-mini --template 'Write about {topic} for all'"
    again = f"\n```\n\nTo write them here again:\n\n```sh\n{command}\n```"
    assert cut_seam(f"To write the articles:\n\n```sh\n{command}", again) == again


def test_a_line_that_looks_like_a_greeting_stays_although_the_next_one_begins_as_the_text_ends() -> None:
    rest = "Thirteen is about the rest of it: the tea.\n\nChapter Fourteen is about milk.\n"
    assert cut_seam("Chapter Twelve is about leaves.\n\nChapter ", rest) == rest


@pytest.mark.parametrize(
    "before",
    [
        "Do this:\n\n1. ```sh\n   make\n   ```\n\n2. Then write this file.\n\n",
        "- ```sh\n  make\n  ```\n\nThen:\n\n",
        "~~~\n```\n~~~\n\nThen:\n\n",
        "````md\n```\n````\n\nThen:\n\n",
        "> ```\n> cup\n\nThen:\n\n",
        "````md\n# Tea\n\nRun:\n\n",
        "```md\n# Tea\n\nRun:\n\n",
        "~~~python\ncup = 1\n",
    ],
)
def test_a_block_that_is_new_keeps_its_first_line(before: str) -> None:
    block = "```python\nprint(1)\n```\n\nThen run it.\n\n```sh\npython x.py\n```\n"
    assert cut_seam(before, block) == block


def test_a_fence_with_the_same_marks_and_the_same_name_opens_again() -> None:
    assert cut_seam("1. ```sh\n   make\n", "```sh\nrun\n```\n") == "run\n```\n"
    assert cut_seam("````md\n# Tea\n", "````md\nText.\n````\n") == "Text.\n````\n"
    assert cut_seam("Look:\n\n```pyth", "```python\ncups = 3\n```\n") == "on\ncups = 3\n```\n"


@pytest.mark.parametrize("text", ["# Tea\n\nFirst, a chorus that all the people know:\n\n" + VERSE, VERSE])
def test_a_chorus_with_which_the_text_began_may_stand_again_where_a_line_ends(text: str) -> None:
    before = text + "One verse of it, which is another one each time that anybody sings.\n\n"
    for rest in (VERSE + "And a second verse, which nobody has heard before.\n", VERSE):
        new, seam = join(before, [rest])
        assert (new, seam.began_again) == (rest, False)


def test_what_begins_a_line_may_begin_as_the_text_did() -> None:
    """The text stops at the end of a line, and the answer begins with the line break."""
    verse = "Row, row, row your boat,\ngently down the stream,\n"
    before, rest = verse + "merrily, merrily,", "\n" + verse + "merrily, and then we were at home."
    assert cut_seam(before, rest) == rest
    rows = "<table>\n  <tr>\n    <td>green tea</td>\n    <td>black tea</td>\n  </tr"
    assert cut_seam(rows, ">\n" + rows + ">\n") == ">\n" + rows + ">\n"


WORKOUT = "# Training\n\nWarm up.\n\n**Push-ups**\n\nDo three sets of twelve slow repetitions.\n\n"
AGAIN = "Do three sets of twelve slow repetitions."
WORKOUT = f"# Training\n\nWarm up.\n\n**Push-ups**\n\n{AGAIN}\n\n"
LINES = [
    (WORKOUT, f"Rest for one minute between the sets.\n\n**Squats**\n\n{AGAIN}\n\nThen drink.\n"),
    (WORKOUT, f"Of course you may rest.\n{AGAIN}\nThen drink.\n"),
    ("Q: May I?\n\nA: No, the warranty would be lost.\n\n",
     "Q: May I continue?\n\nA: No, the warranty would be lost.\n"),
    ("def a():\n    return x.strip().lower()\n\n\n",
     "# Continue with the next.\ndef b():\n    return x.strip().lower()\n\n\nprint(a())\n"),
    ("Anna: Where to?\n\nBen: Ask the captain of this ship.\n\n",
     "Anna: The rest of us are tired.\n\nBen: Ask the captain of this ship.\n\nAnna: Why?\n"),
    ("Here is tea.\nTake it from the table.\n", "Here are cups.\nTake it from the table.\nSorry, no milk.\n"),
    ("# 训练\n\n做三组，每组十二次，动作要慢。\n\n", "接着休息。\n\n做三组，每组十二次，动作要慢。\n\n喝水。\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "rest"), LINES)
def test_a_line_of_the_author_stays_although_the_last_line_of_the_text_stands_again_behind_it(
    before: str, rest: str
) -> None:
    assert cut_seam(before, rest) == rest


def test_a_greeting_of_two_lines_is_cut_with_the_repetition_behind_it() -> None:
    greeting = "Of course!\n\nI'll continue from where I left off.\n\n---\n\n"
    assert (
        cut_seam(WORKOUT + "Then stretch your legs, and", f"{greeting}Then stretch your legs, and drink.") == " drink."
    )


@pytest.mark.parametrize("greeting", ["", "Sure, here is the rest:\n\n"])
def test_the_first_line_of_a_rest_keeps_its_indent(greeting: str) -> None:
    before, rest = "1. Do:\n\n    ```sh\n    make\n", "    run\n    ```\n\nThen rest.\n"
    assert cut_seam(before, greeting + rest) == rest
    assert cut_seam(before, greeting + last_words(before).rstrip() + rest) == rest


@pytest.mark.parametrize(
    "greeting",
    [
        "Of course! Continuing from where I left off:\n\n",
        "Continuing where it stopped...\n",
        "Picking up where I left off.\n\n",
        "Sure, here is the rest:\n\n",
        "Let me continue where I left off:",
        "(continued)\n",
    ],
)
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("It has little to do", " with change."),
        ("It ends.", " It begins."),
        ("def f():\n", "    return 1"),
        ("It", "self."),
    ],
)
def test_the_space_that_a_rest_begins_with_stays_behind_a_greeting(greeting: str, text: str, rest: str) -> None:
    """Before, "do with" became "dowith"."""
    assert text + cut_seam(text, greeting + rest) == text + rest
