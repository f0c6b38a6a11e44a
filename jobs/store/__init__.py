"""What is kept, and how it is found again: the database, queries, search and its indexes, texts, files, keys."""
