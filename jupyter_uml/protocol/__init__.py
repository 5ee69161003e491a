"""The protocols that programs speak to models: OpenAI's and others. Bodies in, events out; no HTTP server, no client.

The server's routes and the client that works without a server run the same endpoints.
"""
