"""The sub-commands of `jupyter uml`, each an application of its own."""
