"""Background workers that push to phones that are away."""
