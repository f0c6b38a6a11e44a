"""`python -m api`: one API process with the settings of the environment."""

import argparse
import gc
import sys

from jobs.starting import loading

with loading():
    from api.main import run_api
    from jobs.settings import SettingsError, load_settings
    from jobs.store.revision import RevisionError


def main() -> int:
    """Serve until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m api", description="Longhand's HTTP service")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8440)
    arguments = parser.parse_args()
    try:
        run_api(load_settings(), arguments.host, arguments.port)
    except (SettingsError, RevisionError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        gc.freeze()  # the process ends: to look for garbage in all that was imported takes a third of a second
    return 0


if __name__ == "__main__":
    sys.exit(main())
