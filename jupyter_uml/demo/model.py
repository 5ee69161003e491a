"""The network: llama's architecture (RMSNorm, interleaved RoPE, SwiGLU, tied embeddings) in plain PyTorch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes; every row width is a multiple of 32, as quantised GGUF types want it."""

    vocab: int = 2048
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Block(nn.Module):
    """Attention and feed-forward, each on a normalised copy of the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attn_norm = nn.Parameter(torch.ones(shape.width))
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = nn.Parameter(torch.ones(shape.width))
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, turns: Tensor, drop: float) -> Tensor:
        """`x`: (batch, length, width); `drop`: share of channels that are silenced, per sample."""
        shape = self.shape
        batch, length, width = x.shape
        normed = F.rms_norm(x, (width,), self.attn_norm, shape.norm_eps)
        qkv = self.qkv(normed).view(batch, length, 3 * shape.heads, shape.head_width)
        turned = rotate(qkv[:, :, : 2 * shape.heads], turns)
        query, key = turned.transpose(1, 2).chunk(2, dim=1)
        value = qkv[:, :, 2 * shape.heads :].transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + silence(self.out(mixed.transpose(1, 2).reshape(batch, length, width)), drop)
        gate, up = self.gate_up(F.rms_norm(x, (width,), self.ffn_norm, shape.norm_eps)).chunk(2, dim=-1)
        return x + silence(self.down(F.silu(gate) * up), drop)


class Transformer(nn.Module):
    """Token ids → hidden states (`forward`) → logits (`logits`)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocab, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and name != "embedding":
                scale = (2 * shape.layers) ** -0.5 if name.split(".")[-2] in ("out", "down") else 1.0
                nn.init.normal_(parameter, std=scale * shape.width**-0.5)
        self.register_buffer("turns", rope_turns(shape), persistent=False)

    def forward(self, ids: Tensor, drop: float = 0.0) -> Tensor:
        """`ids`: (batch, length) → (batch, length, width), normalised."""
        turns = self.get_buffer("turns")[: ids.shape[1]]
        x = F.embedding(ids, self.embedding)
        for block in self.blocks:
            x = block(x, turns, drop)
        return F.rms_norm(x, (self.shape.width,), self.norm, self.shape.norm_eps)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token."""
        return F.linear(hidden, self.embedding)

    @torch.no_grad()
    def greedy(self, ids: list[int], stop: int, limit: int = 128) -> list[int]:
        """The likeliest continuation, up to and without `stop`."""
        written: list[int] = []
        while len(written) < limit and len(ids) + len(written) < self.shape.context:
            hidden = self(torch.tensor([ids + written]))
            token = int(self.logits(hidden[0, -1]).argmax())
            if token == stop:
                break
            written.append(token)
        return written


def rope_turns(shape: Shape) -> Tensor:
    """Unit complex numbers, (context, 1, head_width / 2), of RoFormer (arXiv 2104.09864)."""
    exponents = torch.arange(0, shape.head_width, 2) / shape.head_width
    angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-exponents)
    return torch.polar(torch.ones_like(angles), angles).unsqueeze(1)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turns neighbouring pairs of channels (llama.cpp's order, so that q and k need no permutation)."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turns).flatten(-2)


def silence(x: Tensor, share: float) -> Tensor:
    """Dropout of whole channels, the same ones over a sample's length: cheap on a CPU."""
    if share == 0.0:
        return x
    keep = torch.rand(x.shape[0], 1, x.shape[2]) >= share
    return x * (keep.to(x.dtype) / (1.0 - share))
