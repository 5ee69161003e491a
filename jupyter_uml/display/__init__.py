"""How answers look, wherever they are shown from: a cell, a panel, or the server that kept one for a page to fetch."""
