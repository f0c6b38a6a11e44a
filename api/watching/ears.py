"""With how many ears one watcher hears: a channel for each running job of a batch, and one bound for all of them."""

from api.watching.hub import Hub
from api.watching.job_text import JobText
from api.watching.watcher import Heard, Watcher

_MAX_WAITING = 4096
_MAX_WAITING_BYTES = 1024 * 1024


class Ear:
    """Listens to one job for one watcher."""

    __slots__ = ("_ears", "attempt", "heard", "id", "listening", "place", "sent", "text", "was_heard")

    def __init__(self, ears: "Ears", place: int, text: JobText) -> None:
        self._ears = ears
        self.id = text.job_id
        self.place = place
        self.text = text
        self.heard: list[Heard] = []
        self.sent = (text.follower.attempt, text.follower.offset)
        """How far the client is: behind `text`, as long as what that took has not been sent."""
        self.attempt = text.follower.attempt
        """The attempt that the row has."""
        self.listening = False
        self.was_heard = False

    def put(self, heard: Heard) -> None:
        """Queue a message."""
        self._ears.put(self, heard)

    def ask_resync(self) -> None:
        """What this channel said may have been missed: it has to be read."""
        self._ears.ask_resync(self)


class Ears:
    """All of a watcher's. One that cannot keep up is not buffered for: the tails have it all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._by_job: dict[str, Ear] = {}
        self._by_place: dict[int, Ear] = {}
        self._noisy: dict[Ear, None] = {}
        self._behind: dict[Ear, None] = {}
        self._waiting = 0
        self._bytes = 0
        self.watcher: Watcher | None = None
        """Who is woken."""

    def __len__(self) -> int:
        return len(self._by_job)

    def find(self, job_id: str) -> Ear | None:
        """The ear of a job, if it has one."""
        return self._by_job.get(job_id)

    def at(self, place: int) -> Ear | None:
        """The ear of the job at a place, if it has one."""
        return self._by_place.get(place)

    def under_way(self) -> list[tuple[int, int, int]]:
        """Place, attempt and offset of every job of which the client has a part, in input order."""
        return sorted((ear.place, *ear.sent) for ear in self._by_job.values() if ear.sent[1])

    def add(self, place: int, text: JobText) -> Ear:
        """An ear for a job, which does not listen yet."""
        ear = self._by_job[text.job_id] = self._by_place[place] = Ear(self, place, text)
        return ear

    def remove(self, ear: Ear) -> None:
        """Forget a job."""
        self.stop(ear)
        self._by_job.pop(ear.id, None)
        self._by_place.pop(ear.place, None)

    def listen(self, ear: Ear) -> None:
        """Hear the job's channel from now on; what was said before has to be read, and is as soon as it is heard."""
        if ear.listening:
            return
        ear.listening = True
        if self._hub.join(ear.id, ear):
            self.ask_resync(ear)

    def stop(self, ear: Ear) -> None:
        """Hear the job's channel no more."""
        self.forget_heard(ear)
        self._behind.pop(ear, None)
        if ear.listening:
            ear.listening = False
            self._hub.leave(ear.id, ear)

    def close(self) -> None:
        """Forget all."""
        for ear in list(self._by_job.values()):
            self.remove(ear)

    def put(self, ear: Ear, heard: Heard) -> None:
        """Queue a message, unless it has to be read anyway."""
        ear.was_heard = True
        if ear in self._behind:
            return
        if self._waiting >= _MAX_WAITING or self._bytes >= _MAX_WAITING_BYTES:
            self.ask_resync(ear)
            for noisy in list(self._noisy):
                self.ask_resync(noisy)
            return
        ear.heard.append(heard)
        self._noisy[ear] = None
        self._waiting += 1
        self._bytes += len(heard.payload)
        self._wake()

    def ask_resync(self, ear: Ear) -> None:
        """Let the job be read; what is queued of it stands there too."""
        self.forget_heard(ear)
        self._behind[ear] = None
        self._wake()

    def ask_resync_of_quiet(self) -> None:
        """Let those be read that have said nothing since the last call: it may have been lost."""
        for ear in self._by_job.values():
            if ear.listening and not ear.was_heard:
                self.ask_resync(ear)
            ear.was_heard = False

    def take_heard(self) -> list[tuple[Ear, list[Heard]]]:
        """What was heard since the last call."""
        taken = []
        for ear in self._noisy:
            taken.append((ear, ear.heard))
            ear.heard = []
        self._noisy = {}
        self._waiting = self._bytes = 0
        return taken

    def take_behind(self, most: int) -> list[Ear]:
        """Up to so many ears whose jobs have to be read."""
        taken = list(self._behind)[:most]
        for ear in taken:
            del self._behind[ear]
        return taken

    def forget_heard(self, ear: Ear) -> None:
        """Drop what is queued of a job."""
        if self._noisy.pop(ear, self) is None:
            self._waiting -= len(ear.heard)
            self._bytes -= sum(len(heard.payload) for heard in ear.heard)
            ear.heard = []

    def _wake(self) -> None:
        if self.watcher is not None:
            self.watcher.poke()
