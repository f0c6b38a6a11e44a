// What the page says, in English. Each key has a text, or one for each plural form; `{name}` is a value.

import { ERRORS } from "./words_en_errors.js";
import { FORM } from "./words_en_form.js";
import { JOB } from "./words_en_job.js";
import { REFUSALS } from "./words_en_refusals.js";
import { SAME } from "./words_same.js";
import { SYSTEM } from "./words_en_system.js";
import { TOLD } from "./words_en_told.js";

export const WORDS = {
  ...ERRORS,
  ...FORM,
  ...JOB,
  ...REFUSALS,
  ...SAME,
  ...SYSTEM,
  ...TOLD,

  // The frame of the page.
  "skip": "Skip to the content",
  "masthead.home": "Longhand, all work",
  "masthead.nav": "Main",
  "masthead.language": "Language of the page",
  "foot": "Longhand keeps every character.",
  "foot.api": "The API",
  "theme.is": "Theme: {theme}",
  "theme.change": "Theme: {theme}. Change to {next}.",
  "theme.auto": "as the system",
  "theme.light": "light",
  "theme.dark": "dark",
  "theme.next.auto": "the system's",
  "theme.next.light": "light",
  "theme.next.dark": "dark",
  "missing.title": "Not found",
  "missing.heading": "There is nothing here",
  "missing.words": "There is no page at this address. {home} is still there.",
  "cancel": "Cancel",
  "delete": "Delete",
  "delete.batch.question": "Delete this batch with all its articles, prompts and files? This cannot be undone.",
  "delete.job.question": "Delete this article with its prompt and all its attempts? This cannot be undone.",
  "delete.yes": "Delete for good",
  "delete.no": "Keep",
  "delete.done": "It is deleted.",
  "close": "Close",
  "again": "Try again",
  "details": "Details",
  "download": "Download",
  "download.as": "Download as {word}",

  // Numbers, times and durations.
  "unknown": "unknown",
  "bytes": { one: "{count} byte", other: "{count} bytes" },
  "time.now": "just now",
  "time.soon": "in a moment",
  "duration.s": "{s} s",
  "duration.min": "{min} min",
  "duration.min_s": "{min} min {s} s",
  "duration.h_min": "{h} h {min} min",
  "duration.d_h": "{d} d {h} h",

  // Statuses.
  "status.queued": "Queued",
  "status.validating": "Checking",
  "status.in_progress": "Writing",
  "status.finalizing": "Finishing",
  "status.completed": "Completed",
  "status.cut_short": "Cut short",
  "status.failed": "Failed",
  "status.on_hold": "On hold",
  "status.cancelled": "Cancelled",
  "status.cancelling": "Cancelling",
  "status.expired": "Expired",

  // How a batch went, in one glance.
  "outcome.failed": { one: "{count} failed", other: "{count} failed" },
  "outcome.with_failures": { one: "Completed with {count} failure", other: "Completed with {count} failures" },
  "outcome.cut": { one: "{count} cut short", other: "{count} cut short" },
  "outcome.rest_on_hold": "the rest on hold",
  "outcome.joined": "{first}, {second}",
  "outcome.stopped": "{status}, {completed} of {total} completed",
  "counts.completed": "{completed} of {total} completed",
  "counts.writing": { one: "{count} being written", other: "{count} being written" },
  "counts.failed": { one: "{count} not completed", other: "{count} not completed" },

  // How far it is.
  "progress.of": "Progress of {name}",
  "progress.batch": "Progress of the batch",
  "progress.left": "about {time} left",
  "progress.paused": "on hold",
  "progress.value": "{ended} of {total} ended, {writing} being written, {failed} not completed",
  "tokens.written": { one: "{count} token", other: "{count} tokens" },
  "tokens.about": { one: "≈ {count} token", other: "≈ {count} tokens" },
  "tokens.ended": {
    one: "{count} token in attempts that have ended",
    other: "{count} tokens in attempts that have ended",
  },
  "tokens.lost": {
    one: "{count} token in attempts that broke off",
    other: "{count} tokens in attempts that broke off",
  },
  "tokens.written.list": { one: "{count} token written", other: "{count} tokens written" },

  // Articles that nobody named.
  "article": "Article",
  "articles": "Articles",
  "article.unknown": "No such article",
  "article.place": "Article {place}",
  "batch": "Batch",
  "batch.of": { one: "Batch of {count} article", other: "Batch of {count} articles" },

  // Home.
  "home.title": "All work",
  "home.reading": "Reading what there is …",
  "home.older": "Older",
  "home.new": "New",
  "home.show": "Show",
  "home.all": "All",
  "home.batches": "Batches",
  "home.articles": "Single articles",
  "home.search": "Search all texts",
  "home.search.button": "Search",
  "home.fault": "The list could not be read. {reason}",
  "home.nothing": "There is none.",
  "home.empty": "The desk is clear",
  "home.empty.hint":
    "Give it a prompt, a list of them, or a file. You can watch every article while it is written, close this page, and come back: nothing is lost.",
  "home.empty.write": "Write something",
  "crumbs.home": "All work",
  "crumbs.batch": "Batch of this article",
  "step.before": "← Previous",
  "step.after": "Next →",
  "step.first": "This is the first article of its batch.",
  "step.last": "This is the last article of its batch.",

  // A batch.
  "batch.reading": "Reading the batch …",
  "batch.now": "The batch is now: {status}.",
  "batch.no_match": "No article matches.",
  "batch.pause": "Pause",
  "batch.pause.done": "The batch is paused. What is being written goes on.",
  "batch.retry": { one: "Retry {count} failure", other: "Retry {count} failures" },
  "batch.retry.done": "The failures run again.",
  "batch.retry_cut": { one: "Retry {count} article cut short", other: "Retry {count} articles cut short" },
  "batch.retry_cut.done": "The articles that were cut short are written again.",
  "batch.retry_cancelled": { one: "Write the {count} cancelled again", other: "Write the {count} cancelled again" },
  "batch.retry_cancelled.done": "The articles that were cancelled are written again.",
  "batch.cancel.question": {
    one: "Cancel the {count} article of this batch that is not written yet? The text so far is kept.",
    other: "Cancel the {count} articles of this batch that are not written yet? The text so far is kept.",
  },
  "batch.cancel.yes": "Cancel them",
  "batch.cancel.no": "Let them be written",
  "batch.cancel.done": "The batch is being cancelled.",
  "notes.refused": "Its file was refused, and no job was created.",
  "notes.more": { one: "and {count} more.", other: "and {count} more." },
  "notes.warnings": "Read differently from how it was written:",
  "pace": "At most {speed} tokens/s (solid) by {running} at once (dotted)",

  // Failures that have one cause.
  "failures.heading": "What went wrong",
  "failures.group": { one: "{count} article: {why}", other: "{count} articles: {why}" },
  "failures.show": { one: "Show it", other: "Show the {count} articles" },
  "failures.folded": {
    one: "{count} failed article is not shown here: above is why it failed.",
    other: "{count} failed articles are not shown here: above is why they failed.",
  },
  "failures.folded.show": "Show them here",
  "failures.hide": { one: "Hide it", other: "Hide the {count} articles" },

  // Which cards, and in which order.
  "filter.count": { one: "{word} {count}", other: "{word} {count}" },
  "filter.failed": "Not completed",
  "find.placeholder": "Find by name",
  "find.label": "Find a card by its name",
  "sort.label": "Sort the cards",
  "sort.place": "In input order",
  "sort.status": "By status",
  "sort.name": "By name",
  "sort.longest": "Longest first",
  "sort.shortest": "Shortest first",

  // Search.
  "search": "Search",
  "search.heading": "Search: “{sought}”",
  "search.quoted": "“{sought}”",
  "search.passage": "Passage in the text",
  "search.status": "Status",
  "search.any_status": "Any status",
  "search.reading": "Searching …",
  "search.more": "More",
  "search.count": { one: "{count} article", other: "{count} articles" },
  "search.at_least": { one: "At least {count} article", other: "At least {count} articles" },
  "search.none": "Nothing was found",
  "search.none.said": "Nothing was found.",
  "search.none.hint": "The search finds exactly this passage, ignoring case. Try a shorter one.",
  "search.nothing": "Nothing is stored yet",
  "search.nothing.hint": "You can search here what you submit.",

  // A key, and what it does not show.
  "key.project": "Your API key shows the work of its own project. This may belong to another one.",
  "key.change": "Use another key",
  "key.label": "API key",
  "key.title": "One word, lh_...",
  "key.why": "This Longhand requires an API key. The page keeps it until you close this tab.",
  "key.refused": "This key is unknown or was revoked. Enter another one.",
  "key.not_now": "Not now",
  "key.use": "Use this key",
  "key.enter": "Enter a key",
  "key.none": "Longhand shows nothing without an API key.",

  // The keys, as `?` lists them.
  "keys.title": "Keys",
  "keys.j": "Next article",
  "keys.k": "Previous article",
  "keys.arrows": "From card to card",
  "keys.send": "Submit the form",
  "keys.?": "This list",
};
