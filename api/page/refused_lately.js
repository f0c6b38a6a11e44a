// Whether an upstream takes what it is sent: the state that the API gives only says whether it is held.

const REFUSALS = new Set([
  "upstream_rejected",
  "upstream_unauthorized",
  "upstream_quota_spent",
  "upstream_rate_limited",
  "upstream_request_too_large",
  "upstream_not_a_stream",
]);
const LEAST = 3;
const TRIED = ["completed", "failed"];

/** Of these jobs, those that this upstream refused since it last took one: `{count, error}`; null for fewer than three,
 *  which may be the fault of what they asked for.
 */
export function refusedLately(jobs, name) {
  const ended = jobs.filter(({ upstream, status, finished_at: at }) => upstream === name && at && TRIED.includes(status));
  ended.sort((one, other) => other.finished_at - one.finished_at);
  const taken = ended.findIndex(({ status, error }) => status === "completed" || !REFUSALS.has(error?.code));
  const count = taken < 0 ? ended.length : taken;
  return count < LEAST ? null : { count, error: { ...ended[0].error, at: ended[0].finished_at } };
}
