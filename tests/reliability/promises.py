"""What a server has acknowledged, and whether it still holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from jupyter_uml.access import read_events
from jupyter_uml.access.files import AUDIT_FILE
from tests.conftest import Server
from tests.reliability.client import End, Reply, Stream


@dataclass
class Promises:
    """Keys by their ids, with their secrets; requests whose end was sent, by their ids, since the last `check`."""

    keys: dict[str, str] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)  # it was asked for their end, and nothing was heard
    answers: set[str] = field(default_factory=set)
    recorded: int = 0  # answers of which a record was found

    async def make_and_revoke(self, server: Server) -> None:
        """Keys, one after the other, every second of which is revoked, until the server is gone."""
        while (reply := await Stream(server, {"name": "k", "scopes": ["models:read"]}, "keys").to_its_end()).status:
            made = json.loads(reply.last)
            self.keys[made["id"]] = made["key"]
            if len(self.keys) % 2:
                await self._revoke(server, made["id"])

    async def _revoke(self, server: Server, key: str) -> None:
        self.unclear.add(key)
        if (await Stream(server, None, f"keys/{key}", "DELETE").to_its_end()).end is End.ANSWER:
            self.unclear.discard(key)
            self.revoked[key] = self.keys.pop(key)

    def answered(self, replies: list[Reply]) -> None:
        self.answers |= {reply.id for reply in replies if reply.end is End.ANSWER}

    def check(self, server: Server) -> None:
        self._check_keys(server)
        records = server.get("usage/records", params={"limit": 1000}).json()["records"]
        assert self.answers <= {record["request_id"] for record in records}
        self.recorded += len(self.answers)
        self.answers.clear()
        (log,) = server.models.parent.rglob(AUDIT_FILE)
        done = {(event["action"], event.get("target")) for event in read_events(log)}
        assert {("key.create", key) for key in (*self.keys, *self.revoked)} <= done
        assert {("key.revoke", key) for key in self.revoked} <= done

    def _check_keys(self, server: Server) -> None:
        rows = {row["id"]: row for row in server.get("keys").json()["keys"]}
        assert all(rows[key]["revoked_at"] is None for key in self.keys.keys() - self.unclear)
        assert all(rows[key]["revoked_at"] is not None for key in self.revoked)
        for secrets, status in ((self.keys, 200), (self.revoked, 401)):
            for secret in [secrets[key] for key in secrets if key not in self.unclear][-3:]:
                assert server.get("models", headers={"Authorization": f"Bearer {secret}"}).status_code == status
