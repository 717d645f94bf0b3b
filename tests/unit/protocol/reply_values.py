"""Results and pushes of any kind, whose fields are zero now and then."""

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from realtime.protocol.replies import (
    ConnectResult,
    Disconnected,
    HistoryResult,
    Info,
    Join,
    Leave,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    PublishResult,
    Refreshed,
    RefreshResult,
    RpcResult,
    SubRefreshResult,
    Subscribed,
    SubscribeResult,
    Unsubscribed,
    UnsubscribeResult,
    raw,
)

RAWS: Final = st.sampled_from([b"", b"0", b'""', b"{ }", b"null"]).map(raw)
TEXTS: Final = st.sampled_from(["", "x", "\n"])
OFFSETS: Final = st.sampled_from([0, 1, 2**63 - 1])
COUNTS: Final = st.sampled_from([0, 1, 2**32 - 1])


def some(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of the type, whose fields are zero now and then."""
    by_type: dict[object, st.SearchStrategy[Any]] = {
        str: TEXTS,
        int: COUNTS,
        bool: st.booleans(),
        msgspec.Raw: RAWS,
    }
    for field in msgspec.structs.fields(kind):
        if field.name not in fields:
            fields[field.name] = OFFSETS if field.name == "offset" else by_type[field.type]
    return st.builds(kind, **fields)


INFOS: Final = some(Info)
TAGS: Final = st.one_of(st.none(), st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=2))
PUBLICATIONS: Final = some(Publication, info=st.one_of(st.none(), INFOS), tags=TAGS)
PAGES: Final = st.lists(PUBLICATIONS, min_size=1, max_size=2)
SUBSCRIBED: Final = some(SubscribeResult, publications=st.one_of(st.none(), PAGES))
VALUES: Final = st.one_of(
    SUBSCRIBED,
    some(
        ConnectResult,
        subs=st.one_of(st.none(), st.dictionaries(TEXTS, SUBSCRIBED, min_size=1, max_size=2)),
    ),
    some(PresenceResult, presence=st.dictionaries(TEXTS, INFOS, max_size=2)),
    some(PresenceStatsResult),
    some(HistoryResult, publications=st.lists(PUBLICATIONS, max_size=2)),
    some(RpcResult),
    some(RefreshResult),
    some(SubRefreshResult),
    some(Join, info=INFOS),
    some(Leave, info=INFOS),
    some(Unsubscribed),
    some(Subscribed),
    some(Refreshed),
    some(Disconnected),
    st.builds(UnsubscribeResult),
    st.builds(PublishResult),
)
"""Any result or push. Numbers but offsets are of 32 bits, as the protocol has them."""
