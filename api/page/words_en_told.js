// Sentences of the server as it writes them, with a name for each value. By these the page knows them in another language.

export const TOLD = {
  "told.row": "row {row}: {message}",

  // Tables and their templates.
  "told.too_many_cells":
    "{cells} cells, but the first row has {columns}: put a cell that holds the delimiter in quotation marks, or name every column",
  "told.too_few_cells": "only {cells} of {columns} cells: add the cells that are missing, empty ones too",
  "told.prompt_empty": "the prompt is empty: write something into the cell, or delete the row",
  "told.cell_empty":
    "{column} is empty: write something into the cell, such as none, delete the row, or leave the column out of the template",
  "told.brace": "a single {brace} at character {place} of the template: double it to write it",
  "told.no_column_near": "{name} in the template is not a column: did you mean {near}? the columns are {columns}",
  "told.no_column": "{name} in the template is not a column: the columns are {columns}",
  "told.names_none":
    "the template names no column, so every row would ask for the same: write one in braces; the columns are {columns}",
  "told.not_a_table":
    "a template is for tables, and this file is read as JSON lines: leave it out, or give a file whose name ends in .csv",
  "told.no_template":
    "there is no template that makes a prompt of each row: give one such as 'Write about {first}', or name a column `prompt`; the columns are {columns}",

  // How a file was read.
  "told.guess":
    "the file was read as {encoding}, which is a guess from its text: if the texts look wrong, name the encoding, or save the file as UTF-8",
  "told.streamed": "\"{name}\" was left out: every job is streamed, and its result is whole",
  "told.kept": "\"{name}\" was left out: the lines of a batch are written in the background and kept",
  "told.no_name": "the {place}. column has no name and was left out",
  "told.stray": "a quotation mark that is not doubled was read as part of its cell",
  "told.blank": "a row without any text was left out",

  // How a text that is not accepted ends.
  "told.end.fence": "a code block that is not closed",
  "told.end.formula": "a formula that is not closed",
  "told.end.code": "inline code that is not closed, {end}",
  "told.end.none": "no text",
  "told.end.heading": "a heading, {end}",
  "told.end.sentence": "a sentence that does not end, {end}",
  "told.end.table_begun": "a table of which only the beginning is there, {end}",
  "told.end.table_empty": "a table without rows",
  "told.end.row_short": "a row of a table with {cells} of {all} cells, {end}",
  "told.end.row_open": "a row of a table that is not closed, {end}",
  "told.end.cut": "a text that was cut short at the token limit or by a content filter",
  "told.no_language": "no language that is known",
};
