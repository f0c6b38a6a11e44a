"""The schema that all tables belong to."""

from sqlalchemy import MetaData

DEFAULT_PROJECT = "default"
"""The project of everything submitted without a key."""

metadata = MetaData()
