"""Reads the files that people submit, by one set of rules for the command, the API and the page.

Any file becomes JSON lines, each with the place that it came from, so that later steps know only one form.

1. `reading.py` is the entrance: it chooses by the file's name, and reads the bytes once, as a stream.
2. `encodings.py` finds the encoding and converts the text to UTF-8 (`guesses.py` if the file does not say).
3. JSON: `json_items.py` cuts the text into one object for each request, `json_objects.py` decodes one.
4. Tables: `delimiters.py` finds the delimiter, `rows.py` reads the rows, `table.py` the header, `template.py` makes the
   prompts.
5. `dialects.py` reads a request as it is meant: in OpenAI's form, in that of Azure and others, or in a short one.

What cannot be read is a `MistakeError` with its row, a reason and a remedy; what was read differently from how it was
written is a note (both in `mistakes.py`). Nothing here does any other input or output than to read the given file.
"""
