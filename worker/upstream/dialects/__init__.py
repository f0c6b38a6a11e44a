"""What is known of how providers speak, as data; each row has its source. The code that uses it names no provider.

`finish_reasons.py` how answers end, `error_words.py` what goes wrong, `parameters.py` what is refused by name,
`limit_headers.py` how limits and waits are stated, `usage_names.py` how tokens are counted.
"""
