"""Guessing from a text's own past."""

from __future__ import annotations

import random

from jupyter_uml.engine.prompt_lookup import PromptLookup


def lookup(text: str, before: str = "") -> PromptLookup:
    return PromptLookup([ord(c) for c in text], [ord(c) for c in before])


def guess(found: PromptLookup, count: int = 5) -> str:
    return "".join(map(chr, found.propose(count)))


def test_nothing_to_quote() -> None:
    for text in ("", "a", "abcdef"):
        found = lookup(text)
        assert (found.match, found.guess, found.propose(4)) == (0, None, [])


def test_what_followed_the_same_ending() -> None:
    found = lookup("the quick brown fox. the qu")
    assert guess(found) == "ick b"
    assert found.guess == ord("i")
    assert found.match == len("the qu")


def test_the_last_occurrence_wins() -> None:
    assert guess(lookup("abc1 abc2 abc"), 1) == "2"


def test_a_longer_match_wins_over_a_later_one() -> None:
    assert guess(lookup("one two three, four. x three! one two three"), 1) == ","


def test_a_loop_is_unrolled() -> None:
    assert guess(lookup("xabcabcabc"), 8) == "abcabcab"
    assert guess(lookup("aaaa"), 3) == "aaa"


def test_it_follows_while_it_agrees_and_looks_again_where_it_does_not() -> None:
    found = lookup("red green blue; cyan magenta yellow; ")
    found.extend([ord(c) for c in "red g"])
    assert (guess(found, 4), found.match) == ("reen", 5)  # the space before "red" is another's
    found.extend([ord(c) for c in "reen bl"])
    assert guess(found, 2) == "ue"
    found.extend([ord(c) for c in ", mag"])
    assert guess(found, 4) == "enta"


def test_the_other_text_is_quoted_up_to_its_end() -> None:
    found = lookup("Q: why? A:", before="why? A: because")
    assert found.from_before
    assert guess(found, 50) == " because"
    found.extend([ord(c) for c in " because"])
    assert guess(found) != "Q: wh"  # the prompt does not follow that text
    found.extend([ord(c) for c in " Q: w"])
    assert not found.from_before
    assert guess(found, 3) == "hy?"


def test_extending_is_the_same_as_building_anew() -> None:
    rng = random.Random(5)
    tokens = [rng.randrange(4) for _ in range(300)]
    grown = PromptLookup(tokens[:1])
    for at in range(1, len(tokens)):
        grown.extend(tokens[at : at + 1])
        built = PromptLookup(tokens[: at + 1])
        for found in (grown, built):
            assert found.match == 0 or found.guess is not None
        assert (grown.match > 0) == (built.match > 0)
        assert grown.match >= min(built.match, 8)


def test_a_match_is_what_it_says() -> None:
    rng = random.Random(6)
    found, tokens = PromptLookup([]), []
    for _ in range(500):
        token = rng.randrange(6)
        tokens.append(token)
        found.extend([token])
        if found.match:
            ending, after = tokens[-found.match :], found.propose(1)
            places = [i for i in range(found.match, len(tokens)) if tokens[i - found.match : i] == ending]
            assert after[0] in {tokens[i] for i in places}
