"""What the files of a user's servers are called, in the folder where they keep their state."""

from __future__ import annotations

DATABASE_FILE = "access.sqlite3"  # keys, usage, and what the limits remember
AUDIT_FILE = "audit.jsonl"
