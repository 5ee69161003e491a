"""What a `ChatPanel` is made of: its view, what was said, how it is asked, what goes with a question, its export."""
