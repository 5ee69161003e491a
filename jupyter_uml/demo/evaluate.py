"""Measures a GGUF through llama.cpp: share of exactly right answers, greedy decoding."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llama_cpp import Llama

from . import tooltalk
from .corpus import Conversation, Corpus, Renderer, single
from .wording import reword


@dataclass
class Score:
    """Right answers of one kind of test, and what was missed."""

    right: int = 0
    asked: int = 0
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, is_right: bool) -> None:
        """Counts one answer."""
        self.asked += 1
        self.right += is_right
        if not is_right:
            self.missed[name] += 1

    @property
    def percent(self) -> float:
        """Share of right answers, in percent."""
        return round(100 * self.right / max(1, self.asked), 1)


class Examiner:
    """Asks a GGUF file the questions of the corpus."""

    def __init__(self, path: Path, corpus: Corpus, seed: int = 0) -> None:
        self.corpus = corpus
        self.rng = random.Random(f"examination {seed}")
        self._render = Renderer()
        self._llama = Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)

    def answer(self, conversation: Conversation, limit: int = 96) -> str:
        """The model's greedy answer to a conversation that ends with a user's or a tool's message."""
        prompt = self._llama.tokenize(self._render(conversation, prompt=True).encode(), add_bos=False, special=True)
        end = self._llama.token_eos()
        tokens: list[int] = []
        for token in self._llama.generate(prompt, temp=0.0):
            if token == end or len(tokens) == limit:
                break
            tokens.append(token)
        return self._llama.detokenize(tokens, special=True).decode(errors="replace")

    def heldout(self, questions: dict[str, list[str]] | None = None) -> Score:
        """Questions that training never saw: all, or those that are passed."""
        score = Score()
        for intent, some in (questions or self.corpus.heldout).items():
            for question in some:
                score.add(intent, self.answer(single(question)) == self.corpus.answers[intent])
        return score

    def far_heldout(self) -> Score:
        """Those that no training template could have expanded to either."""
        far = {
            intent: [
                question
                for question in questions
                if not any(template.matches(question) for template in self.corpus.phrasings[intent])
            ]
            for intent, questions in self.corpus.heldout.items()
        }
        return self.heldout(far)

    def expansions(self, per_intent: int = 6) -> Score:
        """Fresh draws from the training templates, with noise."""
        score = Score()
        for intent, right in self.corpus.answers.items():
            for _ in range(per_intent):
                question = self.corpus.draw_question(intent, self.rng)
                score.add(intent, self.answer(single(question)) == right)
        return score

    def follow_ups(self, per_rule: int = 6) -> Score:
        """Questions that need the one before."""
        score = Score()
        for rule in self.corpus.follow_ups:
            for _ in range(per_rule):
                conversation, right = self.corpus.draw_follow_up_test(rule, self.rng)
                score.add(rule.name, self.answer(conversation) == right)
        return score

    def late_questions(self, count: int = 60) -> Score:
        """Held-out questions after 1 to 8 other turns."""
        score = Score()
        questions = [(intent, question) for intent, some in self.corpus.heldout.items() for question in some]
        for intent, question in self.rng.sample(questions, count):
            before = self.corpus.draw_turns(self.rng.randrange(1, 9), self.rng)
            conversation = Conversation([*before, {"role": "user", "content": question}])
            score.add(intent, self.answer(conversation) == self.corpus.answers[intent])
        return score

    def calls(self, per_tool: int = 20) -> tuple[Score, Score]:
        """Right calls in trained and in held-out wordings."""
        trained, heldout = Score(), Score()
        for name in tooltalk.TOOL_NAMES:
            for _ in range(per_tool):
                arguments = tooltalk.draw_arguments(name, self.rng)
                question = tooltalk.draw_question(name, arguments, self.rng, reword)
                self._call(trained, name, arguments, question)
                for question in self.rng.sample(tooltalk.heldout_questions(name, arguments), 1):
                    self._call(heldout, name, arguments, question)
        return trained, heldout

    def _call(self, score: Score, name: str, arguments: dict[str, str], question: str) -> None:
        answer = self.answer(single(question, tooltalk.offer(self.rng, wanted=name)))
        score.add(name, answer == tooltalk.call_text(name, arguments))

    def tool_answers(self, per_tool: int = 20) -> Score:
        """Answers in words after a tool's result."""
        score = Score()
        for name in tooltalk.TOOL_NAMES:
            for _ in range(per_tool):
                arguments, result = tooltalk.draw_arguments(name, self.rng), tooltalk.draw_result(name, self.rng)
                messages = [
                    {"role": "user", "content": tooltalk.draw_question(name, arguments, self.rng, reword)},
                    tooltalk.call_message(name, arguments),
                    {"role": "tool", "content": json.dumps(result)},
                ]
                answer = self.answer(Conversation(messages, tooltalk.offer(self.rng, wanted=name)))
                score.add(name, answer == tooltalk.answer_in_words(name, arguments, result))
        return score

    def with_tools(self, count: int = 60) -> Score:
        """Held-out questions about jupyter_uml while tools are offered: no call, the usual answer."""
        score = Score()
        questions = [(intent, question) for intent, some in self.corpus.heldout.items() for question in some]
        for intent, question in self.rng.sample(questions, count):
            answer = self.answer(single(question, tooltalk.offer(self.rng)))
            score.add(intent, answer == self.corpus.answers[intent])
        return score

    def examine(self) -> dict[str, Score]:
        """All tests."""
        calls, heldout_calls = self.calls()
        return {
            "heldout": self.heldout(),
            "heldout_far": self.far_heldout(),
            "expansions": self.expansions(),
            "follow_ups": self.follow_ups(),
            "late_questions": self.late_questions(),
            "tool_calls": calls,
            "tool_calls_heldout": heldout_calls,
            "tool_answers": self.tool_answers(),
            "questions_beside_tools": self.with_tools(),
        }


def report(scores: dict[str, Score]) -> dict[str, Any]:
    """Prints the scores; returns the percentages."""
    for name, score in scores.items():
        missed = ", ".join(f"{intent} {count}" for intent, count in score.missed.most_common())
        print(f"{name}: {score.percent} % of {score.asked}; missed: {missed or 'nothing'}", flush=True)
    return {name: score.percent for name, score in scores.items()}
