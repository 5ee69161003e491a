"""The life of a model on this machine: loaded, used, held, replaced, moved out of the way, brought back."""
