"""What lanes, holds and cancels stand on, one thing at a time: how it is taken out, and the tests that must notice."""

from tests.chaos.mutant import Mutant

MUTANTS = (
    Mutant(
        "two that dispatch a lane, or models of one upstream, at once",
        [("jobs/dispatch/lane_rows.py", "locked = wanted.with_for_update(skip_locked=True)", "locked = wanted")],
        [
            "store/test_reservation_races.py::test_of_two_that_dispatch_at_once_one_leaves_the_lane_to_the_other",
            (
                "store/test_reservation_races.py"
                "::test_of_two_that_dispatch_models_of_one_upstream_at_once_one_leaves_it_to_the_other"
            ),
        ],
    ),
    Mutant(
        "a hold of cut streams that first words lift",
        [("jobs/dispatch/upstream_holds.py", "and_(holds.c.cut_bytes.is_(None), holds.c.since <= accepted_at)",
          "holds.c.since <= accepted_at")],
        [(
            "store/test_judgements.py"
            "::test_a_hold_that_cut_streams_began_is_lifted_by_a_text_that_is_longer_and_not_by_its_first_words"
        )],
    ),
    Mutant(
        "a lane whose jobs in flight nobody counts",
        [
            ("jobs/dispatch/reservation.py", "counted.total + counted.void - len(taken_back)", "0"),
            ("jobs/dispatch/upstream_total.py", "total = sum(counted.total + ", "total = 0 * sum(counted.total + "),
        ],
        ["store/test_reservation_races.py::test_a_claim_under_way_keeps_its_place_although_its_hint_is_late"],
    ),
    Mutant(
        "a claim under way whose hint is late is not counted",
        [
            ("jobs/dispatch/reservation.py", "counted.total + counted.void - len(taken_back)", "counted.total"),
            ("jobs/dispatch/upstream_total.py", "(counted.void if in_turn else 0)", "0"),
        ],
        ["store/test_reservation_races.py::test_a_claim_under_way_keeps_its_place_although_its_hint_is_late"],
    ),
    Mutant(
        "a claim that asks for no reservation",
        [(
            "jobs/lifecycle/take.py",
            ".where(is_due(now), jobs.c.upstream.is_not(None), jobs.c.hinted_at.is_not(None))",
            ".where(is_due(now))",
        )],
        ["store/test_claims.py::test_a_claim_takes_only_what_is_reserved"],
    ),
    Mutant(
        "a claim that asks for no hold",
        [("jobs/lifecycle/take.py", "not_(is_held()), ", "")],
        ["store/test_outage_races.py::test_a_job_that_was_reserved_beside_the_beginning_of_a_hold_is_not_claimed"],
    ),
    Mutant(
        "a claim of a batch that is being cancelled",
        [("jobs/lifecycle/take.py", ", not_(is_being_cancelled())", "")],
        ["store/test_cancel_rounds.py::test_no_job_starts_of_a_batch_whose_cancel_has_begun"],
    ),
    Mutant(
        "a cancel that nobody goes on with",
        [("worker/dispatch.py", "go_on_cancelling(self._database)", "[]")],
        ["worker/test_dispatch.py::test_a_cancel_whose_api_was_killed_goes_on_piece_by_piece_and_hints_go_on_in_between"],
    ),
    Mutant(
        "what fails at a held upstream is charged",
        [(
            "jobs/dispatch/outages.py",
            "return Judgement(charged=failure.is_paid and failure.refusals >= MOST_CUT, alone=failure.is_paid)",
            "return Judgement(charged=True, alone=failure.is_paid)",
        )],
        ["store/test_hold_probes.py::test_an_upstream_is_held_at_once_and_probed_with_one_job_at_growing_intervals"],
    ),
    Mutant(
        "two failures at once that do not see each other",
        [("jobs/dispatch/holds.py", "    connection.execute(of_it.with_for_update())\n", "")],
        ["store/test_outage_races.py::test_of_two_streams_that_are_cut_at_once_the_second_says_that_it_was_the_upstream"],
    ),
    Mutant(
        "a worker that charges whatever was judged",
        [("worker/failed_attempts.py", "        if judged.charged:\n", "        if judged is not None:\n")],
        ["test_holds.py::test_an_outage_under_running_and_waiting_jobs_charges_none_although_a_worker_dies_in_it[503]"],
    ),
)  # fmt: skip
