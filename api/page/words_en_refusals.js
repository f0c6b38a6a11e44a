// What the page says in English of a refused request, by its code.

/** Where the server names a field or a line, it says most: in English it is told as it is. */
const AS_TOLD = [
  "refusal.invalid_value", "refusal.invalid_type", "refusal.missing_required_parameter", "refusal.unknown_parameter",
  "refusal.unsupported_parameter", "refusal.unsupported_value", "refusal.invalid_json_schema", "refusal.invalid_json",
  "refusal.invalid_json_line", "refusal.invalid_url", "refusal.invalid_method", "refusal.cell_too_long",
  "refusal.too_many_columns", "refusal.duplicate_column", "refusal.duplicate_custom_id", "refusal.empty_cell",
  "refusal.empty_file", "refusal.line_too_long", "refusal.more_errors", "refusal.no_template", "refusal.not_text",
  "refusal.open_quote", "refusal.stray_quote", "refusal.too_many_lines", "refusal.unknown_column",
  "refusal.unknown_encoding", "refusal.wrong_cells", "refusal.wrong_delimiter", "refusal.wrong_kind",
  "refusal.wrong_template", "refusal.body_too_large", "refusal.batch_too_large", "refusal.job_too_large",
  "refusal.file_too_large", "refusal.field_too_large", "refusal.too_many_values", "refusal.nested_too_deep",
  // What was read otherwise than it was written.
  "warning.url", "warning.custom_id", "warning.extra_body", "warning.metadata", "warning.list", "warning.comment",
  "warning.comma", "warning.pretty", "warning.stray_quote", "warning.blank_row",
];

export const REFUSALS = {
  ...Object.fromEntries(AS_TOLD.map((key) => [key, "{message}"])),
  "refusal.invalid_api_key": "A valid API key is needed.",
  "refusal.operators_only": "Only a key of the project “default” may do this.",
  "refusal.no_key_is_set_up": "There is no API key yet. On the machine that runs Longhand, “longhand keys create” makes one.",
  "refusal.not_found": "There is nothing with this id.",
  "refusal.model_not_found": "No upstream has this model.",
  "refusal.unknown_path": "There is nothing at this address.",
  "refusal.already_ended": "It has already ended.",
  "refusal.not_running": "It is not running, so there is nothing to pause.",
  "refusal.batch_cancelling": "The batch is being cancelled.",
  "refusal.not_ended": "It has not ended yet. Cancel it first.",
  "refusal.not_completed": "There is no whole text yet.",
  "refusal.nothing_to_retry": "There is nothing to run again.",
  "refusal.belongs_to_a_batch": "It belongs to a batch. Only the batch can do this.",
  "refusal.idempotency_key_reused": "This was sent before with other content. Change something and send it again.",
  "refusal.deleted": "It was deleted in the meantime.",
  "refusal.rate_limit_exceeded": "Too many requests at once. Try again in a moment.",
  "refusal.too_many_watchers": "Too many pages watch at once with this key. Close some of them.",
  "refusal.too_many_bodies": "Longhand is busy. Try again in a moment.",
  "refusal.too_many_large_answers": "Longhand is busy with large downloads. Try again in a moment.",
  "refusal.body_too_slow": "The upload was too slow. Try again.",
  "refusal.shutting_down": "Longhand is shutting down. Try again when it is back.",
  "refusal.interrupted": "It was interrupted. Try again.",
  "refusal.database_unavailable": "The database cannot be reached. Try again when it is back.",
  "refusal.database_error": "The database refused this. The log of the API says why.",
  "refusal.disk_full": "The disk is full. Free some space and try again.",
  "refusal.files_not_writable": "Longhand cannot write its files.",
  "refusal.file_not_readable": "Longhand cannot read this file.",
  "refusal.internal_error": "Longhand failed. Please report it.",
};
