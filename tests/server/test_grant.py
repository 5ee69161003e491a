"""What a key may give: never more than it has, and as much as it has where nothing was said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_uml.access import ALL_SCOPES, Key, Limits
from jupyter_uml.errors import PermissionDenied
from jupyter_uml.server.grant import Grant, covers, granted, may_prolong

ALL = Grant(ALL_SCOPES)
SOME = Grant(frozenset(["infer", "keys:admin"]), ("demo", "llama*"), Limits(burst=5, tokens_per_minute=1000), 3600.0)
PLAIN = Grant(frozenset(["infer"]))
NO_DEFAULTS = Limits()


def test_who_has_all_gives_what_is_asked_for() -> None:
    for asked in (ALL, SOME, PLAIN):
        assert granted(asked, ALL, NO_DEFAULTS) == asked


def test_what_was_not_asked_for_is_as_the_maker_has_it() -> None:
    assert granted(PLAIN, SOME, NO_DEFAULTS) == replace(SOME, scopes=PLAIN.scopes)


def test_less_than_the_maker_has_is_given() -> None:
    less = Grant(frozenset(["infer"]), ("llama-3*", "demo"), Limits(burst=1, tokens_per_minute=1000), 60.0)
    assert granted(less, SOME, NO_DEFAULTS) == less


@pytest.mark.parametrize(
    ("more", "param"),
    [
        (Grant(frozenset(["infer", "models:read"])), "scopes"),
        (Grant(PLAIN.scopes, ("demo", "gpt")), "models"),
        (Grant(PLAIN.scopes, ("*",)), "models"),
        (Grant(PLAIN.scopes, limits=Limits(burst=6)), "burst"),
        (Grant(PLAIN.scopes, limits=Limits(tokens_per_minute=10**9)), "tokens_per_minute"),
        (Grant(PLAIN.scopes, expires_in=3601.0), "expires_in"),
    ],
)
def test_more_than_the_maker_has_is_refused(more: Grant, param: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        granted(more, SOME, NO_DEFAULTS)
    assert refused.value.param == param


def test_a_limit_that_the_maker_does_not_have_can_be_given() -> None:
    asked = Grant(PLAIN.scopes, limits=Limits(requests_per_hour=7))
    assert granted(asked, SOME, NO_DEFAULTS).limits == Limits(requests_per_hour=7, burst=5, tokens_per_minute=1000)


def test_defaults_that_are_stricter_than_the_maker_stay_defaults() -> None:
    made = granted(PLAIN, SOME, Limits(burst=2, tokens_per_minute=2000))
    assert made.limits == Limits(tokens_per_minute=1000)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("*", "*", True),
        ("*", "a*b?", True),
        ("llama*", "llama", True),
        ("llama*", "llama-3*", True),
        ("llama*", "llam*", False),
        ("l?ama", "llama", True),
        ("l?ama", "l*ama", False),
        ("?*", "*", False),
        ("a*c", "abc", True),
        ("a*c", "a*", False),
        ("demo", "demo", True),
        ("demo", "Demo", False),
        ("demo", "dem?", False),
    ],
)
def test_patterns_within_patterns(wide: str, narrow: str, covered: bool) -> None:
    assert covers(wide, narrow) is covered


def test_only_a_key_that_one_could_have_made_can_be_prolonged() -> None:
    mine = Key("key_1", "mine", frozenset(["infer"]), 0.0, ("demo",), limits=Limits(burst=5, tokens_per_minute=10))
    assert may_prolong(mine, mine.limits, 60.0, SOME)
    assert not may_prolong(mine, mine.limits, None, SOME)
    assert not may_prolong(mine, Limits(), 60.0, SOME)
    assert not may_prolong(replace(mine, models=None), mine.limits, 60.0, SOME)
    assert not may_prolong(replace(mine, scopes=ALL_SCOPES), mine.limits, 60.0, SOME)
    assert may_prolong(replace(mine, scopes=ALL_SCOPES, models=None), Limits(), None, ALL)
