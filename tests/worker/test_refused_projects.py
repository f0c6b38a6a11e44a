"""Whether a lane refuses one project alone, or all that share it."""

from random import Random

import pytest

from worker.refused_projects import MOST_LANES, RefusedProjects

LANE = ("default", "m1")


class Answers:
    def __init__(self) -> None:
        self.now = 0.0
        self.projects = RefusedProjects(lambda: self.now)

    def refuse(self, project: str) -> bool:
        """Whether that is taken for its own."""
        self.projects.note(LANE, project, refused=True)
        return self.projects.is_refused_alone(LANE, project)

    def accept(self, project: str) -> None:
        self.projects.note(LANE, project, refused=False)


@pytest.mark.parametrize("accepted_of_it", [0, 1, 3])
def test_a_project_that_is_refused_beside_others_that_are_not_is_refused_alone(accepted_of_it: int) -> None:
    answers, own = Answers(), []
    for _ in range(60):
        answers.now += 1
        for _ in range(20):
            answers.accept("other")
        for _ in range(accepted_of_it):
            answers.accept("refused")
        own.append(answers.refuse("refused"))
    assert all(own[3:])


def test_two_projects_that_are_refused_beside_a_third_are_each_refused_alone() -> None:
    """Before, each was taken for one of the others that are refused, too, and the third lost nearly all streams."""
    answers, own = Answers(), []
    for _ in range(60):
        answers.now += 1
        for _ in range(5):
            answers.accept("third")
            own += [answers.refuse("first"), answers.refuse("second")]
    assert all(own[40:])


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("projects", [2, 3, 10, 30])
def test_a_limit_that_all_share_is_hardly_ever_taken_for_one_of_a_project(share: float, projects: int) -> None:
    answers, dice, own = Answers(), Random(projects), []
    for _ in range(20_000):
        answers.now += 0.05
        project = f"p{dice.randrange(projects)}"
        if dice.random() < share:
            own.append(answers.refuse(project))
        else:
            answers.accept(project)
    assert len(own) > 100
    assert sum(own) < 0.1 * len(own), "the lane slows down by the others"


def test_where_one_project_sends_it_is_never_refused_alone() -> None:
    answers = Answers()
    for _ in range(100):
        answers.accept("only")
        assert not answers.refuse("only")


def test_lanes_that_answered_long_ago_are_forgotten() -> None:
    answers = Answers()
    for number in range(3 * MOST_LANES):
        answers.now += 1
        answers.projects.note(("default", f"m{number}"), "only", refused=False)
    assert len(answers.projects._lanes) <= MOST_LANES
    assert ("default", f"m{3 * MOST_LANES - 1}") in answers.projects._lanes


def test_what_was_long_ago_says_nothing() -> None:
    answers = Answers()
    for _ in range(50):
        answers.accept("other")
    answers.now += 600
    assert not answers.refuse("refused")
    answers.now += 600
    assert not answers.refuse("refused")
    assert len(answers.projects._lanes[LANE]) == 1
