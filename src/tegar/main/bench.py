"""``tegar bench``: not here yet."""
