"""Who sends, for Web Push: RFC 8292. One key of ours, and a signed word for each push service."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import jwt

from realtime.push.server_key import public_half, signing_key

LIFE_S: Final = 43_200
"""For how long a word is good, in seconds: half of what is allowed, as clocks differ."""

RENEWED_AT_S: Final = 21_600
"""How old it may get before it is signed anew."""

ORIGINS_MAX: Final = 1_000
"""How many push services' words are kept; of more, the one unused for longest is signed again."""


class Vapid:
    """Signs as one sender.

    `private_key` is PEM, or the 32 bytes in base64url that tools for Web Push print. `subject` is
    where the services' people can ask, a mailto: or https: URL. `wall` tells the time in seconds
    since 1970. Raises ValueError, without the key's text.
    """

    def __init__(self, *, private_key: str, subject: str, wall: Callable[[], float]) -> None:
        if not subject.startswith(("mailto:", "https://")):
            # Apple refuses anything else, and says nothing more than that the token is bad.
            raise ValueError("the subject of Web Push is a mailto: or an https:// URL")
        self._key = signing_key(private_key)
        self._subject = subject
        self._wall = wall
        self.public_key = public_half(self._key)
        """What an app subscribes with (`applicationServerKey`), in base64url."""
        self._words: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Vapid {self.public_key}>"

    def authorization(self, origin: str) -> str:
        """The value of the header for a push service, "https://host"; signed a few times a day."""
        now = self._wall()
        signed_at, word = self._words.get(origin, (0.0, ""))
        # A clock that was set back makes a word that is "older" than now no better.
        if not word or not 0.0 <= now - signed_at < RENEWED_AT_S:
            word = self._sign(origin, now)
            self._words[origin] = now, word
        self._words.move_to_end(origin)
        while len(self._words) > ORIGINS_MAX:
            self._words.popitem(last=False)
        return word

    def _sign(self, origin: str, now: float) -> str:
        claims = {"aud": origin, "exp": int(now) + LIFE_S, "sub": self._subject}
        token = jwt.encode(claims, self._key, algorithm="ES256")
        return f"vapid t={token}, k={self.public_key}"
