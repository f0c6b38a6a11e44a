"""What the running of jobs stands on, one thing at a time: how it is taken out, and the tests that must notice."""

from tests.chaos.mutant import Mutant

MUTANTS = (
    Mutant(
        "no attempt fence",
        [(
            "jobs/lifecycle/transitions.py",
            "and_(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == JobStatus.IN_PROGRESS)",
            "and_(jobs.c.id == job_id, attempt.is_not(None), jobs.c.status == JobStatus.IN_PROGRESS)",
        )],
        ["test_zombies.py::test_a_zombie_that_wakes_up_before_its_finish_stores_nothing"],
    ),
    Mutant(
        "snapshot before subscribe",
        [(
            "api/watching/job_watch.py",
            "        async with self._hub.watch(self._job_id) as inbox:\n",
            ("        async for frame in self._look(Inbox([])):\n            yield frame\n"
            "        async with self._hub.watch(self._job_id) as inbox:\n"),
        ), (
            "api/watching/job_watch.py",
            ("            async for frame in self._look(inbox):\n"
            "                self._sent_at = self._now()\n                yield frame\n"),
            "",
        )],
        ["test_order.py::test_a_watcher_subscribes_before_it_reads"],
    ),
    Mutant(
        "done before the commit",
        [(
            "worker/finalize.py",
            'verb, kept = "finish", retry_until_stored(',
            ('self._publish_status(running, status, written)\n'
            '            verb, kept = "finish", retry_until_stored('),
        )],
        ["test_order.py::test_done_is_told_only_after_the_commit"],
    ),
    Mutant(
        "wake inside the transaction",
        [(
            "jobs/intake/submission.py",
            "def submit_job(\n    database: Database,\n    job: NewJob,\n    *,\n",
            ("def submit_job(\n    database: Database,\n    job: NewJob,\n    *,\n"
            "    wake: Any = lambda: None,\n"),
        ), (
            "jobs/intake/submission.py",
            "        insert_jobs(connection, [job_row(job_id, project, None, job, now)])\n",
            "        insert_jobs(connection, [job_row(job_id, project, None, job, now)])\n        wake()\n",
        ), (
            "api/use_cases.py",
            "submit_job(services.database, job, project=project, idempotency_key=key, response=response)",
            ("submit_job(services.database, job, project=project, idempotency_key=key, response=response,"
            " wake=services.waker.wake)"),
        ), (
            "api/use_cases.py",
            "    wake_for(services, accepted)\n    return accepted\n\n\ndef submit_one_batch",
            "    return accepted\n\n\ndef submit_one_batch",
        )],
        ["test_order.py::test_no_wake_is_sent_before_its_job_is_committed"],
    ),
    Mutant(
        "a claim that asks for no status",
        [(
            "jobs/lifecycle/take.py",
            ".where(is_due(now), jobs.c.upstream",
            ".where(jobs.c.due_at <= now, jobs.c.upstream",
        )],
        ["test_order.py::test_a_job_hinted_a_hundred_times_is_started_once"],
    ),
    Mutant(
        "rescue without a look at the lease",
        [
            (
                "jobs/lifecycle/rescue.py",
                "_rescue(database, jobs.c.lease_until < (run_out_before or database.now()), limit)",
                "_rescue(database, jobs.c.worker.is_not(None), limit)",
            ),
            # Else this look finds none, and nothing is rescued before its time.
            ("jobs/lifecycle/rescue.py", "IN_PROGRESS, jobs.c.lease_until < database.now())", "IN_PROGRESS)"),
        ],
        ["test_killed_workers.py::test_a_long_job_is_asked_for_once"],
    ),
    Mutant(
        "rescue at once after the database hung",
        [
            ("worker/dispatch.py", "last, self._looked_at = self._looked_at, None", "last = self._database.now()"),
            ("worker/dispatch.py", "if hung or (is_slow and not self._was_slow):", "if hung and is_slow:"),
        ],
        ["worker/test_rescue.py::test_after_an_outage_the_owners_have_a_lease_time_to_renew_before_anybody_rescues"],
    ),
    Mutant(
        "a rescue without a write before it",
        [("worker/dispatch.py", "        try_write(self._database)\n", "")],
        ["worker/test_rescue.py::test_nobody_is_taken_for_dead_while_the_database_only_reads"],
    ),
    Mutant(
        "a lost tail is not written anew",
        [(
            "worker/recorder.py",
            "            recording.write_anew()\n            self.wake(recording)\n        for recording, _, _",
            "            self.wake(recording)\n        for recording, _, _",
        )],
        ["test_redis_faults.py::test_an_erased_redis_costs_no_job_and_no_byte"],
    ),
    Mutant(
        "a zombie's messages are not dropped",
        [("jobs/live/follower.py", "        if message.attempt < self.attempt:\n            return []\n", "")],
        ["test_zombies.py::test_no_watcher_shows_what_a_zombie_writes_while_attempt_2_runs"],
    ),
    Mutant(
        "a drain that gives nothing back",
        [(
            "worker/finalize.py",
            'StopReason.DRAIN: ("release", JobStatus.QUEUED, transitions.release)',
            'StopReason.DRAIN: ("release", JobStatus.QUEUED, lambda *_: False)',
        )],
        ["test_stopping.py::test_a_drain_gives_back_every_stream_and_charges_none"],
    ),
    Mutant(
        "an unknown commit counts as none",
        [(
            "jobs/lifecycle/transitions.py",
            "            return connection.scalar(own) == outcome",
            "            return False",
        )],
        ["test_database_faults.py::test_a_commit_that_reports_an_error_costs_and_doubles_nothing[finish-carried_out]"],
    ),
    Mutant(
        "an unknown claim counts as lost",
        [("jobs/lifecycle/lease.py", "row = _find_own(connection, job_id, worker, earlier)", "row = None")],
        ["test_database_faults.py::test_a_commit_that_reports_an_error_costs_and_doubles_nothing[claim-carried_out]"],
    ),
    Mutant(
        "a key that is not looked up",
        [("jobs/intake/idempotency.py", "    if idempotency_key is None:\n        return None\n", "    return None\n")],
        ["test_submitting.py::test_an_api_killed_at_any_step_and_a_client_that_retries_make_one_batch[in_its_commit]"],
    ),
    Mutant(
        "suspects run together",
        [("worker/active_attempts.py", "CRASH_ROOM = {2: 1}", "CRASH_ROOM = {2: 1000}")],
        ["test_killed_workers.py::test_a_poison_job_ends_after_three_crashes_and_its_neighbours_finish"],
    ),
    Mutant(
        "a lost attempt that nobody counts",
        [(
            "jobs/lifecycle/rescue.py",
            "        keep_lost_texts(connection, [(change.id, change.attempt) for change in changes])\n",
            "",
        )],
        ["test_killed_workers.py::test_a_worker_killed_at_any_point_costs_no_job_and_no_byte[checkpoint]"],
    ),
    Mutant(
        "an event for webhooks in a transaction of its own",
        [(
            "jobs/lifecycle/close_batch.py",
            ("                add_batch_event(connection, ended_at, batch_id, batch[\"project\"],"
             " f\"batch.{final['status']}\", counts)\n                closed.append(batch_id)\n"),
            ("                closed.append(batch_id)\n        if batch_id in closed:\n"
             "            with database.write() as connection:\n"
             "                add_batch_event(connection, ended_at, batch_id, batch[\"project\"],"
             " f\"batch.{final['status']}\", counts)\n"),
        )],
        ["test_webhooks.py::test_a_worker_killed_around_the_end_of_a_batch_loses_no_event[event]"],
    ),
    Mutant(
        "a cancel that no heartbeat looks for",
        [("worker/heartbeat.py", "            self._stop_unwanted()\n", "")],
        ["test_stopping.py::test_a_cancel_closes_the_upstream_within_2_seconds[redis_frozen]"],
    ),
    Mutant(
        "a finish_reason beside content is believed",
        [("worker/upstream/end_signs.py", "self.is_proof = not beside_content and (", "self.is_proof = (")],
        ["providers/test_any_fault.py::test_a_stream_that_says_stop_anywhere_is_whole_only_with_all_its_text"],
    ),
    Mutant(
        "a text whose end nobody said is called whole",
        [("worker/upstream/end_signs.py", "return Judged.UNSAID if is_bare", "return Judged.WHOLE if is_bare")],
        ["providers/test_bare_ends.py::test_a_bare_end_is_tried_again_once_and_then_kept_however_the_text_ends"],
    ),
    Mutant(
        "an end without a reason is believed where reasons are given",
        [(
            "worker/upstream/end_signs.py",
            "Habit.GIVES_FINISH_REASON in known or end is BodyEnd.CUT",
            "end is BodyEnd.CUT",
        )],
        ["providers/test_any_fault.py::test_a_model_that_gave_a_reason_once_is_held_to_it"],
    ),
)  # fmt: skip
