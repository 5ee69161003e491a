"""The notebook side: magics, panels and how answers look. It talks through the client only."""
