// What the page says alike in every language: commands, names, formats and keys.

export const SAME = {
  "command.worker": "longhand worker",
  "command.up": "longhand up",
  "command.key": "longhand keys create --project NAME",
  "command.migrate": "longhand migrate",
  "system.redis": "Redis",
  "download.md": "Markdown",
  "download.jsonl": "JSONL",
  "download.csv": "CSV",
  "download.zip": "ZIP",
  "progress.percent": "{percent}%",
  "attempt.line": "{attempt}. {words}",
  "keys.j.key": "j",
  "keys.k.key": "k",
  "keys.arrows.key": "← → ↑ ↓ Home End",
  "keys.send.key": "Ctrl Enter",
  "keys.?.key": "?",
};
