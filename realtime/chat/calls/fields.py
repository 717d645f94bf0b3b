"""Types of parameters that several subjects have."""

from typing import Annotated, Final

import msgspec

USER_ID_MAX: Final = 255
"""Characters of a user's id, at most, where one is named in parameters."""

CLIENT_ID_MAX: Final = 64
"""Characters of a `client_id`, at most."""

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
"""How many one page of a list has, unless asked otherwise, and at most."""

UserId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=USER_ID_MAX, description="The id of a user.")
]

ClientId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=CLIENT_ID_MAX,
        description="The app's own id of this call: a retry with the same one is the same call.",
    ),
]

ChannelId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, description="The name of a channel.")
]

Limit = Annotated[
    int, msgspec.Meta(ge=1, le=PAGE_MAX, description="The most that the page is to have.")
]

Cursor = Annotated[
    str,
    msgspec.Meta(
        max_length=1024, description='The `cursor` of the page before; "" is the first page.'
    ),
]
