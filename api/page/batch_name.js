import { t } from "./words.js";

/** A batch's name: its title, where it was given one. */
export const batchName = (batch) => batch.metadata?.title || t("batch.of", { count: batch.request_counts.total });
