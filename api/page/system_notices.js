// What is wrong with the system as a whole, and what to do about it.

import { el, wrong } from "./dom.js";
import { pieces, t } from "./words.js";

class Notice {
  constructor(key, values = {}) {
    this.key = key;
    this.values = values;
  }

  /** What tells whether it is the same as before. */
  toString() {
    return `${this.key} ${JSON.stringify(this.values)}`;
  }

  node() {
    // The names of commands are in the catalogue as well.
    const values = Object.entries(this.values).map(([name, value]) => [
      name,
      COMMANDS.includes(value) ? el("code", {}, t(value)) : value,
    ]);
    return wrong(pieces(this.key, Object.fromEntries(values)));
  }
}

const COMMANDS = ["command.worker", "command.up", "command.migrate"];

/** The notices for what `GET /v1/status` answers, the worst first. */
export function noticesOf({ database, redis, workers, workers_complete: isComplete, file_mistakes: mistakes }) {
  const found = [];
  if (database.state !== "ok") found.push(new Notice(`notice.database.${database.state}`));
  if (redis.state !== "ok") found.push(new Notice(`notice.redis.${redis.state}`));
  if (database.revision !== null && database.revision !== database.needed_revision) {
    const values = { revision: database.revision, needed: database.needed_revision, command: "command.migrate" };
    found.push(new Notice("notice.revision", values));
  }
  if (workers !== null && workers.every((worker) => worker.state === "lost")) {
    if (isComplete) found.push(new Notice("notice.no_worker", { worker: "command.worker", up: "command.up" }));
    else if (database.state === "ok") found.push(new Notice("notice.no_known_worker"));
  } else {
    const count = (workers ?? []).filter((worker) => worker.state === "lost").length;
    if (count) found.push(new Notice("notice.worker_lost", { count }));
  }
  for (const { line, message } of mistakes ?? [])
    found.push(new Notice(line === null ? "notice.file" : "notice.file_line", { line: String(line), message }));
  return found;
}
