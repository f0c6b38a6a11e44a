"""What the files that people submit mean: one set of rules, used by the command, the API and the page.

Any file becomes JSON lines, each with the place that it came from, so that what follows knows one form only.

1. `reading.py` is the way in: it chooses by the file's name, and reads `source.py`'s bytes once, as a stream.
2. `encodings.py` finds the encoding and gives the rest UTF-8.
3. JSON: `json_items.py` cuts the text into one object for each request, `json_objects.py` decodes one.
4. Tables: `delimiters.py` finds the delimiter, `rows.py` reads the rows, `table.py` the header, `template.py` makes the
   prompts.
5. `dialects.py` reads a request as it is meant: in OpenAI's form, in that of Azure and others, or in a short one.

What cannot be read is a `MistakeError` with its row, a reason and a remedy; what was read otherwise than it was written
is a note (both in `mistakes.py`). Nothing here does any input or output but to read the file that it is given.
"""
