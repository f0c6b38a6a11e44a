import assert from "node:assert/strict";
import { test } from "node:test";

import { whyAnew } from "../../../api/page/anew.js";

const cut = { attempt: 1, outcome: "failed", error: { code: "upstream_cut", message: "the stream broke off" } };
const lost = { attempt: 2, outcome: "lost", error: { code: "worker_lost", message: null } };

test("an article at its first attempt, or one that failed for good, has nothing to say of it", () => {
  assert.equal(whyAnew({ status: "in_progress", attempt: 1 }, [{ attempt: 1, outcome: null }]), "");
  assert.equal(whyAnew({ status: "failed", attempt: 2 }, [cut, lost]), "");
  assert.equal(whyAnew({ status: "in_progress", attempt: 2 }, []), "", "nothing is known yet");
});

test("it says what became of the attempt before, and of one whose worker was lost not that it died each time", () => {
  assert.match(whyAnew({ status: "in_progress", attempt: 2 }, [cut]), /^Attempt 2\. The one before: .+\.$/);
  assert.equal(
    whyAnew({ status: "completed", attempt: 3 }, [cut, lost]),
    "Attempt 3. The one before: lost with its worker.",
  );
  assert.match(whyAnew({ status: "queued", attempt: 1 }, [cut]), /^Attempt 2\. The one before: /);
});
