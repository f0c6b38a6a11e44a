"""How the suite itself is run: which tests may be run again, and which are quick."""
