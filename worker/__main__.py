"""`python -m worker [MARK]`: one worker process with the settings of the environment."""

import gc
import sys

from jobs.starting import loading

with loading():
    from jobs.settings import SettingsError, load_settings
    from jobs.store.revision import RevisionError
    from worker.main import run_worker
    from worker.memory import share_one_heap

if __name__ == "__main__":
    share_one_heap()
    try:
        run_worker(load_settings(), *sys.argv[1:2])
    except (SettingsError, RevisionError) as error:
        sys.exit(str(error))
    finally:
        gc.freeze()  # the process ends: to look for garbage in all that was imported takes a third of a second
