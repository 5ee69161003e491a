"""`jupyter uml keys`: hands out API keys, lists them, ends them, takes them back; also where no server runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from inspect import cleandoc
from typing import Any

from traitlets import Bool, Int, Unicode

from jupyter_uml.client import ApiKey
from jupyter_uml.client.keys import LIMITS, PROGRAM
from jupyter_uml.commands.records_command import RecordsCommand, key_of, words
from jupyter_uml.commands.terminal_text import columns_of, table
from jupyter_uml.errors import InvalidRequest

_HEADINGS = ("ID", "NAME", "STATE", "EXPIRES", "USED", "SCOPES", "MODELS", "LIMITS")
_NO_KEY = "There is no key. Make one by `jupyter uml keys create NAME`."
_LIMIT_WORDS = {
    "requests_per_minute": "{} requests/min",
    "requests_per_hour": "{} requests/h",
    "burst": "{} requests/s",
    "tokens_per_minute": "{} tokens/min",
    "max_concurrent": "{} at once",
}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


class CreateKeyApp(RecordsCommand):
    """Make an API key."""

    name = "jupyter uml keys create"
    description = (
        "Make an API key and print it. It cannot be shown again: what is kept is its hash. It stands alone on the "
        "standard output, so that it can be piped; what it may do is told beside. Exit status: 0 it is made, 1 it is "
        "not."
    )
    examples = cleandoc("""
        jupyter uml keys create "my program"
        jupyter uml keys create course --models 'demo,Qwen*' --expires-in 30d --requests-per-minute 60 \\
            --tokens-per-minute 20000 --max-concurrent 4
        jupyter uml keys create ci --scopes infer --quiet | secret-tool store --label=ci service uml
        jupyter uml keys create operator --scopes models:read,models:admin
    """)
    aliases = {  # noqa: RUF012  as traitlets wants it
        **RecordsCommand.aliases,
        "scopes": "CreateKeyApp.scopes",
        "models": "CreateKeyApp.models",
        "expires-in": "CreateKeyApp.expires_in",
        **{name.replace("_", "-"): f"CreateKeyApp.{name}" for name in LIMITS},
    }
    flags = {  # noqa: RUF012
        **RecordsCommand.flags,
        "quiet": ({"CreateKeyApp": {"quiet": True}}, "Print the key and nothing else."),
    }
    scopes = Unicode(
        ",".join(PROGRAM),
        help="What it may do: infer (ask models), models:read (see them), models:admin (load, unload, pull), "
        "keys:admin (keys and usage).",
    ).tag(config=True)
    models = Unicode(help="Ids of the models it may use; * and ? stand for any characters. Empty: all.").tag(
        config=True
    )
    expires_in = Unicode(help="How long it is good: seconds, 12h, 30d. Empty: until it is revoked.").tag(config=True)
    requests_per_minute = Int(None, allow_none=True, min=1, help="Requests in a minute.").tag(config=True)
    requests_per_hour = Int(None, allow_none=True, min=1, help="Requests in an hour.").tag(config=True)
    burst = Int(None, allow_none=True, min=1, help="Requests in a second.").tag(config=True)
    tokens_per_minute = Int(None, allow_none=True, min=1, help="Tokens in a minute, prompts and answers.").tag(
        config=True
    )
    max_concurrent = Int(None, allow_none=True, min=1, help="Requests that are answered at the same time.").tag(
        config=True
    )
    quiet = Bool(False, help="Print the key and nothing else.").tag(config=True)

    async def run(self) -> None:
        name = self.argument("name")
        limits = {limit: getattr(self, limit) for limit in LIMITS}
        scopes: Any = words(self.scopes)  # the other side knows which there are
        async with self.client(or_here=True) as client:
            made = await client.create_key(
                name, scopes, models=words(self.models) or None, expires_in=duration(self.expires_in), **limits
            )
        if self.as_json:
            self.print_json(asdict(made))
            return
        self.tell("\n".join([f"{made.name} is made, its id is {made.id}.", *(f"  {row}" for row in told(made))]))
        self.tell("The key, which is shown this once:")
        print(made.key)

    def tell(self, text: str) -> None:
        if not self.quiet:
            super().tell(text)


class ListKeysApp(RecordsCommand):
    """List the API keys."""

    name = "jupyter uml keys list"
    description = "List the API keys that are good, with --all also those that are not any more. Exit status: 0."
    examples = cleandoc("""
        jupyter uml keys list
        jupyter uml keys list --json | jq -r '.keys[] | select(.last_used == null) | .name'
    """)
    flags = {  # noqa: RUF012
        **RecordsCommand.flags,
        "all": ({"ListKeysApp": {"show_all": True}}, "Those that expired or were revoked, too."),
    }
    show_all = Bool(False, help="Those that expired or were revoked, too.").tag(config=True)

    async def run(self) -> None:
        if self.extra_args:
            raise InvalidRequest(f"There is no `{self.name} {self.extra_args[0]}`. See --help.")
        async with self.client(or_here=True) as client:
            keys = await client.keys()
        shown = [key for key in keys if self.show_all or key.state == "active"]
        if self.as_json:
            self.print_json({"keys": [asdict(key) for key in shown]})
        else:
            print(listed(shown, len(keys) - len(shown), columns_of(sys.stdout)))


class ExpireKeyApp(RecordsCommand):
    """Say when an API key expires."""

    name = "jupyter uml keys expire"
    description = "Let an API key expire so long from now, or `never`. Exit status: 0 it is so, 1 it is not."
    examples = cleandoc("""
        jupyter uml keys expire course 7d
        jupyter uml keys expire key_1a2b3c4d5e6f7a8b never
    """)

    async def run(self) -> None:
        if len(self.extra_args) != 2:
            raise InvalidRequest(f"Say which key, and how long it is good: {self.name} ID 30d")
        word, period = self.extra_args
        async with self.client(or_here=True) as client:
            key = key_of(await client.keys(), word)
            changed = await client.expire_key(key.id, None if period == "never" else duration(period))
        if self.as_json:
            self.print_json(asdict(changed))
        else:
            print(f"{changed.name} ({changed.id}) expires {expiry(changed)}.")


class RevokeKeyApp(RecordsCommand):
    """Take an API key back."""

    name = "jupyter uml keys revoke"
    description = (
        "Take an API key back, by its id or name: every server of yours refuses it within a second, and for ever. "
        "Exit status: 0 it is revoked, 1 it is not."
    )
    examples = "jupyter uml keys revoke course"

    async def run(self) -> None:
        word = self.argument("key")
        async with self.client(or_here=True) as client:
            revoked = await client.revoke_key(key_of(await client.keys(), word).id)
        if self.as_json:
            self.print_json(asdict(revoked))
        else:
            print(f"{revoked.name} ({revoked.id}) is revoked.")


class KeysApp(ListKeysApp):
    """API keys: create, list, expire, revoke."""

    name = "jupyter uml keys"
    description = "API keys for programs and people; without a sub-command they are listed. Exit status: 0."
    examples = cleandoc("""
        jupyter uml keys create course --models demo --expires-in 30d --requests-per-minute 60
        jupyter uml keys revoke course
    """)
    subcommands = {  # noqa: RUF012
        "create": (CreateKeyApp, "Make an API key."),
        "list": (ListKeysApp, "List the API keys."),
        "expire": (ExpireKeyApp, "Say when an API key expires."),
        "revoke": (RevokeKeyApp, "Take an API key back."),
    }


def listed(keys: Sequence[ApiKey], others: int, columns: int) -> str:
    """A table. `others`: keys that are not shown."""
    text = table(_HEADINGS, map(_cells, keys), columns=columns) if keys else _NO_KEY
    return f"{text}\n{others} more expired or were revoked; --all shows them." if others else text


def told(key: ApiKey) -> Iterable[str]:
    """What a key may."""
    yield f"scopes   {', '.join(key.scopes)}"
    yield f"models   {', '.join(key.models) if key.models else 'all'}"
    yield f"limits   {', '.join(_limits(key)) or 'as the server has them for keys'}"
    yield f"expires  {expiry(key)}"


def expiry(key: ApiKey) -> str:
    if key.ephemeral:
        return "with the server"
    if key.expires_at is None:
        return "never"
    return distance(key.expires_at - time.time())


def distance(seconds: float) -> str:
    """`in 30 d`, `5 min ago`: in the largest unit that leaves a number of at least 1."""
    unit, size = next((unit for unit in _UNITS if abs(seconds) >= unit[1]), _UNITS[-1])
    count = round(abs(seconds) / size)
    return f"{count} {unit} ago" if seconds < 0 else f"in {count} {unit}"


def duration(text: str) -> float | str | None:
    """As the routes take it; what is no number is read over there."""
    try:
        return float(text)
    except ValueError:
        return text or None


def _cells(key: ApiKey) -> tuple[str, ...]:
    used = "never" if key.last_used is None else distance(key.last_used - time.time())
    models = ",".join(key.models) if key.models else "all"
    return key.id, key.name, key.state, expiry(key), used, ",".join(key.scopes), models, ", ".join(_limits(key))


def _limits(key: ApiKey) -> list[str]:
    return [_LIMIT_WORDS[name].format(value) for name, value in key.limits.items()]
