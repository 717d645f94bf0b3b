"""The one way in which a link ends."""


class Doubt(Exception):
    """It is not certain any more that messages arrive; the text says why, without any secret."""
