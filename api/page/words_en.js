// What the page says, in English. Each key has a text, or one for each plural form; `{name}` is a value.

export const WORDS = {
  // How a batch went, in one glance.
  "outcome.failed": { one: "{count} failed", other: "{count} failed" },
  "outcome.with_failures": { one: "Completed with {count} failure", other: "Completed with {count} failures" },
  "outcome.cut": { one: "{count} cut short", other: "{count} cut short" },
  "outcome.joined": "{first}, {second}",
  "outcome.stopped": "{status}, {completed} of {total} completed",

  // How far it is.
  "progress.percent": "{percent} %",
  "progress.left": "about {time} left",
  "progress.paused": "on hold",
  "progress.value": "{ended} of {total} ended, {writing} being written, {failed} failed",
  "tokens.written": { one: "{count} token", other: "{count} tokens" },
  "tokens.about": { one: "≈ {count} token", other: "≈ {count} tokens" },
  "tokens.ended": {
    one: "{count} token in articles that have ended",
    other: "{count} tokens in articles that have ended",
  },
  "tokens.written.list": { one: "{count} token written", other: "{count} tokens written" },

  // Articles that nobody named.
  "article": "Article",
  "article.place": "Article {place}",
  "batch.of": { one: "Batch of {count} article", other: "Batch of {count} articles" },
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
  "crumbs.home": "All work",
  "crumbs.batch": "Batch of this article",
  "step.before": "← Previous",
  "step.after": "Next →",
  "step.first": "This is the first article of its batch.",
  "step.last": "This is the last article of its batch.",

  // How long a text is and how fast it grows.
  "length.words": { one: "{count} word", other: "{count} words" },
  "length.characters": { one: "{count} 字", other: "{count} 字" },
  "live.rate": "≈ {rate} tokens/s",
  "live.time": "{time}",

  // A text as Markdown.
  "markdown.code": "Code",
  "markdown.code.of": "Code: {language}",
  "markdown.table": "Table",
  "markdown.image": "image: {alt}",
  "markdown.no_link": "Not a link: only web and mail addresses are followed. {target}",

  // How the attempts went.
  "attempt.waited": "waited {time}",
  "attempt.at": "by {upstream}",

  // A key, and what it does not show.
  "key.project": "Your API key shows the work of its own project. This may belong to another one.",
  "key.change": "Use another key",

  // The form.
  "cut.context_window": "Cut short: the context window of the model is full.",
  "outcome.not_accepted": "not accepted",
  "rejected.title": "Not accepted: the text is not as it was asked for.",
  "rejected.why": "Why it was not accepted",
  "settings.on_length": "When a text stops at the token limit, ask for the rest",
  "settings.title": "Settings for every prompt",
  "settings.system": "System prompt (optional)",
  "settings.temperature": "Temperature (optional)",
  "settings.temperature.fault": "The temperature must be a number from 0 to 2.",
  "settings.max_tokens": "Longest text in tokens (optional)",
  "settings.max_tokens.fault": "The longest text must be a whole number of tokens, 1 or more.",
  "sample": "Download a sample table",

  // The keys, as `?` lists them.
  "keys.title": "Keys",
  "keys.j.key": "j",
  "keys.j": "Next article",
  "keys.k.key": "k",
  "keys.k": "Previous article",
  "keys.arrows.key": "← → ↑ ↓ Home End",
  "keys.arrows": "From card to card",
  "keys.send.key": "Ctrl Enter",
  "keys.send": "Submit the form",
  "keys.?.key": "?",
  "keys.?": "This list",
  "close": "Close",

  // The order of the cards.
  "sort.label": "Sort the cards",
  "sort.place": "In input order",
  "sort.status": "By status",
  "sort.name": "By name",
  "sort.longest": "Longest first",
  "sort.shortest": "Shortest first",

  // The chart of a batch.
  "pace": "At most {speed} tokens/s (solid) by {running} at once (dotted)",

  // Failures that have one cause.
  "failures.heading": "What went wrong",
  "failures.group": { one: "{count} article: {why}", other: "{count} articles: {why}" },
  "failures.show": { one: "Show it", other: "Show the {count} articles" },
  "failures.hide": { one: "Hide it", other: "Hide the {count} articles" },
  "details": "Details",

  // Errors by their code. Where the upstream gave a reason, it follows.
  "error.said": "{what}: {reason}",
  "error.upstream_unreachable": "The upstream could not be reached",
  "error.upstream_name_not_found": "The upstream's host name was not found",
  "error.upstream_connect_failed": "The upstream refused the connection",
  "error.upstream_connect_timeout": "The upstream did not accept the connection in time",
  "error.upstream_tls_failed": "The upstream's certificate is not trusted",
  "error.upstream_rate_limited": "The upstream asked for fewer requests",
  "error.upstream_overloaded": "The upstream was overloaded",
  "error.upstream_request_too_large": "The request is larger than the upstream's limit for a minute",
  "error.upstream_quota_spent": "The upstream's account has no credit left",
  "error.upstream_unauthorized": "The upstream refused its API key",
  "error.upstream_rejected": "The upstream rejected the request",
  "error.upstream_rejected_in_stream": "The upstream rejected the request",
  "error.upstream_server_error": "The upstream failed",
  "error.upstream_error_in_stream": "The upstream failed while it wrote",
  "error.upstream_cut": "The upstream's answer broke off",
  "error.upstream_ended_without_end": "The upstream's answer broke off",
  "error.upstream_interrupted": "The upstream's answer was interrupted",
  "error.upstream_aborted": "The upstream aborted its answer",
  "error.upstream_timeout": "The upstream did not answer in time",
  "error.upstream_no_first_delta": "The upstream wrote nothing in time",
  "error.upstream_stalled": "The upstream stopped writing",
  "error.upstream_took_too_long": "The attempt took too long",
  "error.upstream_not_a_stream": "The upstream did not answer with a text. Check its URL",
  "error.upstream_malformed_chunk": "The upstream's answer cannot be read",
  "error.upstream_repeated_text": "The upstream sent the same text again",
  "error.upstream_empty_completion": "The upstream answered with an empty text",
  "error.upstream_reasoning_used_budget": "The model thought until its token limit. Ask for more tokens",
  "error.upstream_content_filtered": "A content filter stopped the text. Change the prompt",
  "error.upstream_refusal": "The model refused to write it. Change the prompt",
  "error.upstream_not_text": "The upstream's answer is not a text",
  "error.schema_mismatch": "The text does not have the format that was asked for",
  "error.schema_not_checked": "The format of the text could not be checked in time",
  "error.worker_lost": "Its worker died each time it was tried",
  "error.text_not_stored": "The text could not be stored",
  "error.internal_error": "Longhand failed. Please report it",
  "error.cancelled": "It was cancelled",
  "error.expired": "Its deadline passed before it was written",
};
