"""Signs of life of the workers: what they take, how fast they are, and whether one hangs."""
