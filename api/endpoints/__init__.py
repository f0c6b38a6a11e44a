"""The endpoints that are our own: submit is in `api/submitting/`, what OpenAI has too in `api/openai/`."""
