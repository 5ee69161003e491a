"""HTTP: the Jupyter server extension and the standalone server. Handlers are thin; `base.py` is the gate they share."""
