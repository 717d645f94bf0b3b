"""`push`: messages to members who are away, until the push service is called for each of them.

The load is the push service, too: the hub's FCM addresses lead here (`python -m load
push-settings`).
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.scenarios.base import (
    CLIENTS_MAX,
    Clients,
    Namespace,
    Parameters,
    Phase,
    Rate,
    Seconds,
    Subject,
    part,
)
from load.scenarios.outcomes import none_of, not_slowed, total
from load.scenarios.push_rooms import Layout

SMALL: Final = "small rooms"
BESIDE: Final = "beside a large channel"
SILENCE: Final = "silence"

OTHERS_MAX: Final = 1_000
"""Connections of hubs and workers to the push service, a hundred of each as a rule, and of devices:
for so many there are to be descriptors."""

GRACE_US: Final = 20_000.0
"""What small rooms may wait longer beside a large channel in any case: the machine's noise."""


class PushParameters(Parameters, frozen=True):
    """What `push` is asked for. A hub limits what one user may do: a higher `rate` needs more who
    are `connected`, or a hub that does not."""

    clients: Annotated[
        Clients, Meta(description="members who are away; all are in the large channel")
    ] = 200
    connected: Annotated[
        int,
        Meta(
            ge=2,
            le=CLIENTS_MAX,
            description="members who are connected: they send, and are not told",
        ),
    ] = 20
    rate: Annotated[Rate, Meta(description="messages sent a second, each to a small room")] = 20.0
    members: Annotated[Clients, Meta(description="members of a small room who are away")] = 1
    apart_s: Annotated[
        Seconds, Meta(description="how long a room has no second message, which would be one too")
    ] = 10.0
    reads: Annotated[
        float, Meta(ge=0, le=1, description="share of the connected that say what they have read")
    ] = 0.5
    settle_s: Annotated[
        Seconds, Meta(description="silence at the end: longer than hubs wait for who is connected")
    ] = 7.0
    slower_max: Annotated[
        float, Meta(ge=1, description="p99 may grow by this factor beside the large channel")
    ] = 10.0
    service: Annotated[
        str, Meta(pattern=r"^\S+:\d{1,5}$", description="where the push service listens")
    ] = "127.0.0.1:9710"
    namespace: Annotated[
        Namespace, Meta(description='of the rooms: users create, and push = "all"')
    ] = "chat"


WRONGS: Final = ("late", "twice", "uncalled", "textless", "cleared")
"""Counters of notifications that were not as they should be, or took others away."""


class Push:
    """See base."""

    name: ClassVar[str] = "push"
    summary: ClassVar[str] = "members who are away are told of messages by a push service, once"
    subject: ClassVar[Subject] = Subject(
        "told",
        "notified",
        "notifications",
        tried=("sent", "notified"),
        raised="rate",
        counters=("due", "excused", "sent", "notified", *WRONGS),
        waits=("told", "crowd", "send"),
    )
    parameters_type: ClassVar[type[Parameters]] = PushParameters
    # The player warms up itself: the silence at the end must have none before it.
    warms_up: ClassVar[bool] = False
    player: ClassVar[str] = "load.scenarios.push_player:PushPlayer"

    def __init__(self, parameters: PushParameters) -> None:
        self.parameters = parameters

    def phases(self) -> Sequence[Phase]:
        """Small rooms alone, then beside one message to all; then nothing that should come."""
        return (self.raised(), Phase(BESIDE), Phase(SILENCE, judged=False))

    def raised(self) -> Phase:
        """See base."""
        return Phase(SMALL)

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.connected, processes) + OTHERS_MAX

    def leaves(self, run: str) -> Sequence[str]:
        """See base. What a search has had to make for higher rates is archived, no more."""
        layout = layout_of(self.parameters, run)
        rooms = rooms_for(self.parameters, layout)
        return [layout.large, layout.probe, *(layout.name(room) for room in range(rooms))]

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        found = [
            _all_told(measured),
            none_of("nobody was told twice", measured, {"twice": "notifications came again"}),
            none_of(
                "nobody was told who was connected", measured, {"uncalled": "were told in vain"}
            ),
            none_of(
                "notifications have the message's text",
                measured,
                {"textless": 'have not: the namespace needs push_content, and "{text}" in it'},
            ),
        ]
        small, beside = (
            next((phase for phase in measured if phase.phase == name), None)
            for name in (SMALL, BESIDE)
        )
        if small is not None and beside is not None:
            found.append(self._not_held_up(small, beside))
        return found

    def _not_held_up(self, small: Measured, beside: Measured) -> CheckOutcome:
        return not_slowed(
            "a large channel does not hold up small rooms",
            "told",
            (small, beside),
            ("alone", "beside it"),
            factor_max=self.parameters.slower_max,
            grace_us=GRACE_US,
        )


def _all_told(measured: Sequence[Measured]) -> CheckOutcome:
    """Every message that was acked was told to all who were away; of others it is not known."""
    due, excused, notified, late = (
        total(measured, name) for name in ("due", "excused", "notified", "late")
    )
    came = notified + late
    return CheckOutcome(
        name="everybody who was away was told",
        passed=bool(came) and due - excused <= came <= due,
        detail=f"{came:,} of {due:,} notifications" + f", {late:,} of them late" * bool(late),
    )


def layout_of(parameters: PushParameters, run: str, processes: int = 1) -> Layout:
    """Who is in which room."""
    return Layout(
        run=run,
        namespace=parameters.namespace,
        connected=parameters.connected,
        clients=parameters.clients,
        members=parameters.members,
        apart_s=parameters.apart_s,
        processes=processes,
    )


def rooms_for(parameters: PushParameters, layout: Layout) -> int:
    """How many rooms the messages of a phase go to, its warm-up included."""
    return layout.count(parameters.rate, parameters.warm_up_s + parameters.seconds)
