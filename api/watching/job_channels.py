"""The channels of running jobs that one watcher of a batch listens to, with one limit on all queued messages."""

from api.watching.hub import Hub
from api.watching.inbox import Inbox, ReceivedMessage
from api.watching.job_text import JobText

_MAX_WAITING = 4096
_MAX_WAITING_BYTES = 1024 * 1024


class JobChannel:
    """Listens to the channel of one job for one watcher of its batch."""

    __slots__ = ("_channels", "attempt", "id", "listening", "place", "received", "sent", "text", "was_heard")

    def __init__(self, channels: "JobChannels", place: int, text: JobText) -> None:
        self._channels = channels
        self.id = text.job_id
        self.place = place
        self.text = text
        self.received: list[ReceivedMessage] = []
        self.sent = (text.follower.attempt, text.follower.offset, text.follower.reasoning_offset)
        """How far the client is: behind `text`, as long as what that took has not been sent."""
        self.attempt = text.follower.attempt
        """The attempt that the row has."""
        self.listening = False
        self.was_heard = False

    def put(self, received: ReceivedMessage) -> None:
        """Queue a message."""
        self._channels.put(self, received)

    def ask_resync(self) -> None:
        """Let the job's text be read: messages may have been missed."""
        self._channels.ask_resync(self)


class JobChannels:
    """All job channels of one watcher. A watcher that cannot keep up is not buffered for: the tails have it all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._by_job: dict[str, JobChannel] = {}
        self._noisy: dict[JobChannel, None] = {}
        self._behind: dict[JobChannel, None] = {}
        self._waiting = 0
        self._bytes = 0
        self.inbox: Inbox | None = None
        """The watcher's own inbox, which is poked when there is something to do."""

    def __len__(self) -> int:
        return len(self._by_job)

    def find(self, job_id: str) -> JobChannel | None:
        """The channel of a job, if it has one."""
        return self._by_job.get(job_id)

    def under_way(self) -> list[tuple[int, int, int, int]]:
        """Place, attempt, offset and reasoning offset of every job of which the client has a part, in input order."""
        return sorted((channel.place, *channel.sent) for channel in self._by_job.values() if any(channel.sent[1:]))

    def add(self, place: int, text: JobText) -> JobChannel:
        """A channel for a job, which does not listen yet."""
        channel = self._by_job[text.job_id] = JobChannel(self, place, text)
        return channel

    def remove(self, channel: JobChannel) -> None:
        """Forget a job."""
        self.stop(channel)
        self._by_job.pop(channel.id, None)

    def listen(self, channel: JobChannel) -> None:
        """Begin to listen. What was published before is read as soon as the subscription is confirmed."""
        if channel.listening:
            return
        channel.listening = True
        if self._hub.join(channel.id, channel):
            self.ask_resync(channel)

    def stop(self, channel: JobChannel) -> None:
        """Listen no more."""
        self.forget_heard(channel)
        self._behind.pop(channel, None)
        if channel.listening:
            channel.listening = False
            self._hub.leave(channel.id, channel)

    def close(self) -> None:
        """Listen to nothing more, and forget every job."""
        for channel in list(self._by_job.values()):
            self.remove(channel)

    def put(self, channel: JobChannel, received: ReceivedMessage) -> None:
        """Queue a message, unless the job has to be read anyway."""
        channel.was_heard = True
        if channel in self._behind:
            return
        if self._waiting >= _MAX_WAITING or self._bytes >= _MAX_WAITING_BYTES:
            self._hub.note_resync()
            self.ask_resync(channel)
            for noisy in list(self._noisy):
                self.ask_resync(noisy)
            return
        channel.received.append(received)
        self._noisy[channel] = None
        self._waiting += 1
        self._bytes += len(received.payload)
        self._wake()

    def ask_resync(self, channel: JobChannel) -> None:
        """Let the job's text be read; what is queued of it is dropped, for the text that is read has it too."""
        self.forget_heard(channel)
        self._behind[channel] = None
        self._wake()

    def note_gap(self, channel: JobChannel) -> None:
        """A message of a job was lost: its text has to be read."""
        self._hub.note_resync()
        self.ask_resync(channel)

    def ask_resync_of_quiet(self) -> None:
        """Let the jobs be read that were not heard of since the last call: their messages may have been lost."""
        for channel in self._by_job.values():
            if channel.listening and not channel.was_heard:
                self.ask_resync(channel)
            channel.was_heard = False

    def take_heard(self) -> list[tuple[JobChannel, list[ReceivedMessage]]]:
        """What was heard since the last call."""
        taken = []
        for channel in self._noisy:
            taken.append((channel, channel.received))
            channel.received = []
        self._noisy = {}
        self._waiting = self._bytes = 0
        return taken

    def take_behind(self, most: int) -> list[JobChannel]:
        """Up to `most` channels whose jobs have to be read."""
        taken = list(self._behind)[:most]
        for channel in taken:
            del self._behind[channel]
        return taken

    def forget_heard(self, channel: JobChannel) -> None:
        """Drop what is queued of a job."""
        if self._noisy.pop(channel, self) is None:
            self._waiting -= len(channel.received)
            self._bytes -= sum(len(received.payload) for received in channel.received)
            channel.received = []

    def _wake(self) -> None:
        if self.inbox is not None:
            self.inbox.poke()
