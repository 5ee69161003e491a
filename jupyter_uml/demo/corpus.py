"""The training text: conversations drawn from the templates, deterministic for a seed."""

import json
import math
import random
from bisect import bisect
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment

from . import tooltalk
from .templates import Template, normalise, parse_all, read_heldout, read_phrasings, read_slots, read_toml
from .tooltalk import Message, Tool
from .wording import reword

CHAT_TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
WEIGHTS = {"off_topic": 4.0, "greeting": 1.5, "how_are_you": 1.2, "thanks": 1.2, "who_are_you": 1.2}
TOOL_SHARE = 0.12
LONG_SHARE = 0.02
FOLLOW_UP_SHARE = 0.3
SYSTEM_SHARE = 0.2


@dataclass(frozen=True)
class FollowUp:
    """A question that is understood from the one before it."""

    name: str
    after: frozenset[str]
    say: list[Template]
    answer: str


@dataclass(frozen=True)
class Conversation:
    """Messages of one training sample, and the tools that it offers."""

    messages: list[Message]
    tools: list[Tool] | None = None


class Renderer:
    """Chat template → text, as the server renders it."""

    def __init__(self, template: str = CHAT_TEMPLATE) -> None:
        env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        env.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        self._template: JinjaTemplate = env.from_string(template)

    def __call__(self, conversation: Conversation, prompt: bool = False) -> str:
        """The text of the conversation; `prompt` opens the assistant's next turn."""
        return self._template.render(
            messages=conversation.messages, tools=conversation.tools, add_generation_prompt=prompt
        )


class Corpus:
    """Draws conversations; everything comes from the generator that is passed in."""

    def __init__(self) -> None:
        slots = read_slots()
        intents = read_toml("intents.toml")
        self.answers: dict[str, str] = {name: entry["answer"] for name, entry in intents.items()}
        self.plain: dict[str, str] = {name: entry["ask"] for name, entry in intents.items()}
        self.phrasings: dict[str, list[Template]] = {}
        self._template_steps: dict[str, list[float]] = {}
        for name, templates in read_phrasings(slots).items():
            self.set_phrasings(name, templates)
        self.heldout = read_heldout()
        self.systems: list[str] = read_toml("systems.toml")["prompts"]
        self.follow_ups = [
            FollowUp(name, frozenset(rule["after"]), parse_all(rule["say"], slots), rule["answer"])
            for name, rule in read_toml("followups.toml").items()
        ]
        self._intents = list(self.answers)
        self._intent_steps = list(accumulate(WEIGHTS.get(name, 1.0) for name in self._intents))

    def set_phrasings(self, intent: str, templates: list[Template]) -> None:
        """The wordings of an intent; one with many expansions is drawn a little more often."""
        self.phrasings[intent] = templates
        self._template_steps[intent] = list(accumulate(math.sqrt(math.sqrt(template.count)) for template in templates))

    @cached_property
    def heldout_forms(self) -> frozenset[str]:
        """Normalised held-out questions: no drawn question equals one of them."""
        return frozenset(normalise(question) for questions in self.heldout.values() for question in questions)

    def draw_intent(self, rng: random.Random) -> str:
        """A random intent, by weight."""
        return self._intents[bisect(self._intent_steps, rng.random() * self._intent_steps[-1])]

    def draw_question(self, intent: str, rng: random.Random, noise: bool = True) -> str:
        """A wording of the intent's question that is not held out."""
        if intent == "off_topic" and rng.random() < 0.04:
            name = rng.choice(tooltalk.TOOL_NAMES)
            return tooltalk.draw_question(name, tooltalk.draw_arguments(name, rng), rng, reword)
        steps = self._template_steps[intent]
        for _ in range(100):
            plain = self.phrasings[intent][bisect(steps, rng.random() * steps[-1])].expand(rng)
            text = reword(plain, rng) if noise else plain
            if normalise(plain) not in self.heldout_forms and normalise(text) not in self.heldout_forms:
                return text
        raise ValueError(f"every expansion of {intent} is held out")

    def draw(self, rng: random.Random) -> Conversation:
        """One training sample."""
        draw = rng.random()
        if draw < TOOL_SHARE:
            messages, tools = self._tool_talk(rng)
            return Conversation(self._with_system(messages, rng), tools)
        if draw < TOOL_SHARE + LONG_SHARE:
            turns = rng.randrange(6, 15)
        else:
            turns = 1 if rng.random() < 0.55 else rng.randrange(2, 6)
        return Conversation(self._with_system(self.draw_turns(turns, rng), rng))

    def draw_turns(self, turns: int, rng: random.Random) -> list[Message]:
        """Questions and answers, some of them follow-ups."""
        messages: list[Message] = []
        intent = ""
        while len(messages) < 2 * turns:
            rule = self.draw_follow_up(intent, rng) if messages and rng.random() < FOLLOW_UP_SHARE else None
            if rule:
                question, intent = self._follow(rule, intent, rng)
            else:
                intent = self.draw_intent(rng)
                question = self.draw_question(intent, rng)
            messages += _turn(question, self.answers[intent])
        return messages

    def draw_follow_up(self, intent: str, rng: random.Random) -> FollowUp | None:
        """A rule that applies after the intent; one bound to it rather than a general one."""
        bound = [rule for rule in self.follow_ups if intent in rule.after]
        if bound and rng.random() < 0.8:
            return rng.choice(bound)
        return rng.choice([rule for rule in self.follow_ups if not rule.after])

    def draw_follow_up_test(self, rule: FollowUp, rng: random.Random) -> tuple[Conversation, str]:
        """A prompt that ends with this follow-up, and its right answer."""
        before = rng.choice(sorted(rule.after) or self._intents)
        messages = _turn(self.draw_question(before, rng), self.answers[before])
        question, intent = self._follow(rule, before, rng)
        return Conversation([*messages, {"role": "user", "content": question}]), self.answers[intent]

    def _follow(self, rule: FollowUp, before: str, rng: random.Random) -> tuple[str, str]:
        question = reword(rng.choice(rule.say).expand(rng), rng, courtesy=False)
        return question, before if rule.answer == "previous" else rule.answer

    def _tool_talk(self, rng: random.Random) -> tuple[list[Message], list[Tool]]:
        draw = rng.random()
        messages = self.draw_turns(1, rng) if rng.random() < 0.15 else []
        if draw < 0.72:
            name = rng.choice(tooltalk.TOOL_NAMES)
            messages += tooltalk.draw_exchange(name, rng, reword)
            if rng.random() < 0.15:
                messages += self.draw_turns(1, rng)
            return messages, tooltalk.offer(rng, wanted=name)
        if draw < 0.92:
            return [*messages, *self.draw_turns(rng.randrange(1, 3), rng)], tooltalk.offer(rng)
        name = rng.choice(tooltalk.TOOL_NAMES)
        question = tooltalk.draw_question(name, tooltalk.draw_arguments(name, rng), rng, reword)
        return [*messages, *_turn(question, self.answers["off_topic"])], tooltalk.offer(rng, without=name)

    def _with_system(self, messages: list[Message], rng: random.Random) -> list[Message]:
        if rng.random() >= SYSTEM_SHARE:
            return messages
        return [{"role": "system", "content": rng.choice(self.systems)}, *messages]


def _turn(question: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def draw_texts(corpus: Corpus, count: int, seed: str) -> list[str]:
    """Rendered samples; the same for the same seed."""
    rng, render = random.Random(seed), Renderer()
    return [render(corpus.draw(rng)) for _ in range(count)]


def single(question: str, tools: list[Tool] | None = None) -> Conversation:
    """A prompt of one question."""
    return Conversation([{"role": "user", "content": question}], tools)
