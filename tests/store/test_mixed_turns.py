"""Projects that share the streams of a process, where the texts of one are of very different lengths."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, cycle, repeat
from statistics import mean

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.lane_rooms import LaneRooms
from jobs.dispatch.shares import StreamShares
from jobs.dispatch.upstream_turns import Ahead
from jobs.model.fair_turns import Turns
from jobs.upstreams import UNDECLARED, UpstreamSpec

STREAMS = 20


def share(texts: dict[str, Iterator[float]], seconds: int) -> Counter[str]:
    """The stream-seconds that each project gets that always has texts of so many seconds waiting."""
    shares, turns, got = StreamShares(DueLanes()), Turns(), Counter[str]()
    running: list[tuple[float, str, float]] = []
    for now in range(seconds):
        for _, project, took in [one for one in running if one[0] <= now]:
            turns.learn(project, took)
        running = [one for one in running if one[0] > now]
        shares.look_at({project: [project] for project in texts})
        rooms = LaneRooms([UNDECLARED], lambda _spec, _model: 1000, {"default": 1000})
        ahead = Ahead({"default": turns.copy()}, DueLanes())
        for (_, project), granted in shares.share(rooms, {}, STREAMS - len(running), ahead).items():
            for _ in granted:
                turns.take(project, 1.0, others=texts)
                takes = next(texts[project])
                running.append((now + takes, project, takes))
        got.update(project for _, project, _ in running)
    return got


def test_cheap_texts_before_each_long_one_make_these_no_cheaper() -> None:
    """By the expected cost alone, the project with short texts had three of ten streams."""
    mixed = cycle(chain(repeat(0.02, 60), repeat(60.0, 20)))
    got = share({"mixed": mixed, "short": repeat(1.0)}, 1200)
    assert 0.45 <= got["short"] / got.total() <= 0.65, got


def test_hundreds_of_models_with_short_texts_leave_a_long_text_its_turn_in_each_round() -> None:
    """By time alone, these had nearly all ten lanes of a round, and the long texts five of thirty free streams."""
    shares, turns, running, held = StreamShares(DueLanes()), Turns(), list[tuple[float, str]](), list[int]()
    seconds = {f"m{number}": 0.1 for number in range(200)} | {"own": 20.0}
    project = dict.fromkeys(seconds, "many") | {"own": "long"}
    for at in range(500):  # fifths of a second
        for _, model in [one for one in running if one[0] <= at]:
            turns.learn(project[model], seconds[model])
        running = [one for one in running if one[0] > at]
        room = Counter({"own": 30}) - Counter(model for _, model in running)
        shares.look_at({model: [project[model]] for model in seconds if model != "own" or room["own"]})
        rooms = LaneRooms([UNDECLARED], partial(_room, room), {"default": 100}, 10)
        ahead = Ahead({"default": turns.copy()}, DueLanes())
        for (_, model), granted in shares.share(rooms, {}, 100 - len(running), ahead).items():
            for one in granted:
                turns.take(one, 1.0)
                running.append((at + 5 * seconds[model], model))
        held.append(sum(model == "own" for _, model in running))
    assert mean(held[200:]) >= 28, held


def _room(room: Counter[str], _spec: UpstreamSpec, model: str) -> int:
    return room[model] if model == "own" else 1


def test_what_one_had_while_nobody_else_waited_is_no_debt() -> None:
    turns = Turns()
    for cost in (1.0, 60.0):
        turns.take("early", 1.0)
        turns.learn("early", cost)
    turns.catch_up()
    served = Counter[str]()
    for _ in range(20):
        name = turns.next(["early", "late"])
        turns.take(name, 1.0)
        turns.learn(name, 7.0)
        served[name] += 1
    assert served["early"] >= 8, served


def test_what_one_is_given_back_for_turns_before_the_others_came_puts_it_before_none_of_them() -> None:
    """It had the streams to itself, with texts that were taken for long ones. Before, who came next had no stream for
    half the time of such a text.
    """
    turns = Turns()
    for _ in range(STREAMS):
        turns.take("early", 1.0, others=["early"])
        turns.learn("early", 80.0)
    for _ in range(STREAMS):
        turns.take("early", 1.0, others=["early"])
    served = Counter[str]()
    for number in range(60):
        name = turns.next(["early", "late"])
        turns.take(name, 1.0, others=["early", "late"])
        served[name] += 1
        turns.learn(name, 2.0)
        if number < STREAMS:
            turns.learn("early", 12.0)
    assert served["late"] >= 25, served


def test_a_version_before_reads_the_turns_and_this_one_reads_its_own() -> None:
    turns = Turns()
    for cost in (1.0, 2.0):
        turns.take("a", 1.0)
        turns.learn("a", cost)
    turns.take("a", 1.0, others=["a", "b"])
    stored = turns.as_json()
    assert Turns.from_json(stored).as_json() == stored
    before = {name: value for name, value in stored.items() if name not in ("open", "seen", "contenders", "floors")}
    assert Turns.from_json(before).as_json() == {**stored, "open": {}, "seen": {}, "contenders": [], "floors": {}}


def test_a_project_whose_prompts_vary_pays_for_what_they_take() -> None:
    """What a large prompt was known to need was charged on top of the mean, and what the small ones gave back was lost:
    it had a third.
    """
    turns, got, running = Turns(), defaultdict[str, float](float), deque[tuple[str, float]]()
    costs = {"varied": cycle(chain(repeat(1.0, 9), repeat(100.0, 1))), "even": repeat(10.9)}
    for _ in range(4000):
        project = turns.next(costs)
        cost = next(costs[project])
        turns.take(project, 1.0, cost, others=costs)
        got[project] += cost
        running.append((project, cost))
        if len(running) > STREAMS:
            turns.learn(*running.popleft())
    assert 0.48 <= got["varied"] / sum(got.values()) <= 0.52, got
