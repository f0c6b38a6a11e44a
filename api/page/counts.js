// How many articles of a batch are in which status: the counts of everything that is shown of it.

import { isFinal } from "./status.js";

/** The counts of a batch: its `request_counts`, and how many of `failed` were `cancelled` or have `expired`. `jobs` are
 *  those that are known. Once all are, the counts are theirs: no figure says other than the cards. The API's come later.
 */
export function countsOf(batch, jobs = []) {
  const counts = batch.request_counts;
  const own = { total: counts.total, completed: 0, failed: 0, in_progress: 0, incomplete: 0, cancelled: 0, expired: 0 };
  let known = 0;
  for (const { status, incomplete } of jobs.filter(Boolean)) {
    known += 1;
    if (Object.hasOwn(own, status)) own[status] += 1;
    if (status === "cancelled" || status === "expired") own.failed += 1;
    if (incomplete) own.incomplete += 1;
  }
  const isBehind = isFinal(batch.status) && own.completed + own.failed < counts.total;
  if (known && known >= counts.total && !isBehind) return own;
  // Of a batch that was cancelled nobody should think that all of it has failed.
  const rest = (status) => (batch.status === status ? counts.failed : 0);
  return { ...counts, cancelled: rest("cancelled"), expired: rest("expired") };
}

/** The batch with these counts in the place of its own. */
export const withCounts = (batch, jobs) => ({ ...batch, request_counts: countsOf(batch, jobs) });

/** What those are called that neither were completed nor cancelled. */
export function failedKey({ failed, cancelled, expired }) {
  if (!expired) return "status.failed";
  return failed - cancelled === expired ? "status.expired" : "filter.failed";
}
