"""Who sends which message when: the same in every process, so that none need be told. Pure."""

from collections.abc import Iterator

from load.share import Share


class Schedule:
    """`rate` messages a second for `seconds`, dealt to `senders` in turn; senders to processes.

    Sender `i` belongs to process `i % processes` (see `Share.mine`). Each process sends at its part
    of the rate and goes round its own senders, beginning with a time of its own, so that processes
    do not send at the same instants.
    """

    def __init__(self, *, rate: float, seconds: float, senders: int, processes: int) -> None:
        self.rate = rate
        self.seconds = seconds
        self.senders = senders
        self.processes = processes

    def mine(self, process: int) -> range:
        """The senders of a process."""
        return range(process, self.senders, self.processes)

    def rate_of(self, process: int) -> float:
        """How many messages a second the process sends; 0 for one without senders."""
        return self.rate * len(self.mine(process)) / self.senders

    def count(self, process: int) -> int:
        """How many messages it sends in all."""
        return round(self.rate_of(process) * self.seconds)

    def delay_s(self, process: int) -> float:
        """When its first message is due, after the phase has begun."""
        return process / self.processes / self.rate_of(process) if self.mine(process) else 0.0

    def sender(self, process: int, number: int) -> int:
        """Who sends the process's message `number`, from 0."""
        mine = self.mine(process)
        return mine[number % len(mine)]

    def sent_by(self) -> Iterator[tuple[int, int]]:
        """Every sender of the run, and how many messages it sends."""
        for process in range(min(self.processes, self.senders)):
            mine = self.mine(process)
            each, rest = divmod(self.count(process), len(mine))
            for place, sender in enumerate(mine):
                yield sender, each + (place < rest)


def deliveries(schedule: Schedule, clients: int, rooms: int, share: Share) -> int:
    """How many messages this process's clients hear when every sender, a client, sends to its own
    room. Client `i` is in room `i % rooms`."""
    heard = [0] * rooms
    for sender, count in schedule.sent_by():
        heard[sender % rooms] += count
    return sum(heard[client % rooms] for client in share.mine(clients))


def members(room: int, clients: int, rooms: int) -> int:
    """How many clients of the run are in a room."""
    return len(range(room, clients, rooms))
