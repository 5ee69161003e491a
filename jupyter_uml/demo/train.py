"""Builds the demo model: tokenizer → training → checkpoint → GGUF. `python -m jupyter_uml.demo.train --help`."""

import argparse
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from .batches import ANSWER, QUESTION, BatchSource, MicroBatch
from .corpus import Corpus, draw_texts
from .model import Shape, Transformer
from .tokenizer import load_tokenizer, train_tokenizer

TOKENIZER_SAMPLES = 12_000
WORKSHOP = Path(tempfile.gettempdir()) / "jupyter_uml-demo"


@dataclass(frozen=True)
class Budget:
    """How long to train: by the clock, by steps (repeatable) or by tokens; the first one that is set."""

    minutes: float | None = None
    steps: int | None = None
    tokens: int | None = None

    def progress(self, started: float, steps: int, tokens: int) -> float:
        """Share of the budget that is used, 0 to 1."""
        if self.steps:
            return min(1.0, steps / self.steps)
        if self.tokens:
            return min(1.0, tokens / self.tokens)
        return min(1.0, (time.monotonic() - started) / (60 * (self.minutes or 75)))


@dataclass(frozen=True)
class Recipe:
    """What the optimiser does."""

    peak_rate: float = 2.5e-3
    warm_up: float = 0.02
    weight_decay: float = 0.1
    drop: float = 0.08
    question_weight: float = 0.2


def learning_rate(progress: float, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to nearly zero."""
    if progress < recipe.warm_up:
        return recipe.peak_rate * (progress + 1e-3) / (recipe.warm_up + 1e-3)
    share = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.peak_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def loss_weights(batch: MicroBatch, question_weight: float) -> torch.Tensor:
    """Weight of predicting each next token, (batch, length - 1)."""
    kinds = batch.kinds[:, 1:]
    return (kinds == ANSWER).float() + question_weight * (kinds == QUESTION).float()


def batch_loss(model: Transformer, batch: MicroBatch, weights: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Weighted sum of cross entropies; logits are computed only where a weight is."""
    chosen = weights > 0
    logits = model.logits(model(batch.ids[:, :-1], recipe.drop)[chosen])
    losses = F.cross_entropy(logits, batch.ids[:, 1:][chosen], reduction="none")
    return (losses * weights[chosen]).sum()


def make_optimiser(model: Transformer, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; norms do not decay."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.98), fused=True)


@dataclass
class Figures:
    """How far a run has come."""

    seed: int
    steps: int = 0
    tokens: int = 0
    seconds: int = 0
    progress: float = 0.0
    loss: float = 0.0

    def count(self, loss: float, tokens: int, started: float) -> None:
        """Adds a step."""
        self.loss = 0.98 * self.loss + 0.02 * loss if self.steps else loss
        self.steps += 1
        self.tokens += tokens
        self.seconds = round(time.monotonic() - started)

    def __str__(self) -> str:
        speed = self.tokens / max(1, self.seconds)
        return (
            f"{self.progress:.1%}: step {self.steps}, loss {self.loss:.3f}, {self.tokens} tokens, {speed:.0f} a second"
        )


def train_step(
    model: Transformer, optimiser: torch.optim.AdamW, batches: list[MicroBatch], recipe: Recipe, progress: float
) -> float:
    """One step over several micro-batches; returns the loss by weighted token."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(progress, recipe)
    question_weight = recipe.question_weight * (1 - progress) + 0.01
    weights = [loss_weights(batch, question_weight) for batch in batches]
    total = float(sum(weight.sum() for weight in weights))
    loss = 0.0
    for batch, weight in zip(batches, weights, strict=True):
        part = batch_loss(model, batch, weight, recipe) / total
        part.backward()
        loss += float(part.detach())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss


def train(source: BatchSource, out: Path, budget: Budget, recipe: Recipe, save_every: float) -> None:
    """Trains from scratch; writes `checkpoint.pt` every `save_every` seconds and at the end."""
    torch.manual_seed(source.seed)
    model = Transformer(Shape())
    optimiser = make_optimiser(model, recipe)
    figures = Figures(source.seed)
    started = saved = time.monotonic()
    for batches in source.steps():
        figures.progress = budget.progress(started, figures.steps, figures.tokens)
        if figures.progress >= 1.0 and figures.steps:
            break
        loss = train_step(model, optimiser, batches, recipe, figures.progress)
        figures.count(loss, sum(int((batch.kinds > 0).sum()) for batch in batches), started)
        if figures.steps % 50 == 0:
            print(figures, flush=True)
        if time.monotonic() - saved > save_every:
            save_checkpoint(model, out, asdict(figures))
            saved = time.monotonic()
    save_checkpoint(model, out, asdict(figures) | {"recipe": asdict(recipe)})


def save_checkpoint(model: Transformer, out: Path, record: dict[str, Any]) -> None:
    """Weights and figures, replaced at one stroke."""
    temporary = out / "checkpoint.tmp"
    torch.save({"model": model.state_dict(), "shape": asdict(model.shape), "record": record}, temporary)
    temporary.replace(out / "checkpoint.pt")


def load_checkpoint(out: Path) -> tuple[Transformer, dict[str, Any]]:
    """The latest weights and figures."""
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    model = Transformer(Shape(**checkpoint["shape"]))
    model.load_state_dict(checkpoint["model"])
    return model.eval(), checkpoint["record"]


def make_tokenizer(corpus: Corpus, out: Path, seed: int) -> None:
    """Trains `tokenizer.json` on a sample of the corpus."""
    texts = draw_texts(corpus, TOKENIZER_SAMPLES, f"tokenizer {seed}")
    train_tokenizer(texts, Shape().vocab).save(str(out / "tokenizer.json"))


def main() -> None:
    """Trains, exports and evaluates, as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, help="train for so long (75 if nothing is given)")
    parser.add_argument("--steps", type=int, help="train for so many steps: repeatable")
    parser.add_argument("--tokens", type=int, help="train on so many tokens: repeatable")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=WORKSHOP, help="folder of tokenizer and checkpoint")
    parser.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    parser.add_argument("--export", action="store_true", help="write demo.gguf and demo.json from the checkpoint")
    parser.add_argument("--evaluate", action="store_true", help="measure the checkpoint through llama.cpp")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    budget = Budget(options.minutes, options.steps, options.tokens)
    if budget != Budget() or not (options.export or options.evaluate):
        corpus = Corpus()
        make_tokenizer(corpus, options.out, options.seed)
        tokenizer = load_tokenizer(options.out / "tokenizer.json")
        source = BatchSource(corpus, tokenizer, options.seed, Shape().context)
        train(source, options.out, budget, Recipe(), options.save_every)
    if options.export or options.evaluate:
        from .release import release

        model, record = load_checkpoint(options.out)
        release(model, load_tokenizer(options.out / "tokenizer.json"), record, options.export, options.evaluate)


if __name__ == "__main__":
    main()
