"""`python -m jupyter_uml` is `jupyter uml`."""

from jupyter_uml.server.extension import main

main()
