"""Load scenarios against any hub that speaks the public wire."""
