"""Which models there are: the files in folders and stores, what they hold, what they are called."""
