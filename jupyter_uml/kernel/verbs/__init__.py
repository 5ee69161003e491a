"""The commands of `%uml`: each file makes its own known here."""

from __future__ import annotations

from jupyter_uml.kernel.verbs import attach, cache, conversation, errors, models, profile, pull, settings, verify
from jupyter_uml.kernel.verbs.verb import Verb

VERBS: tuple[Verb, ...] = (
    *models.VERBS,
    *pull.VERBS,
    *profile.VERBS,
    *settings.VERBS,
    *conversation.VERBS,
    *errors.VERBS,
    *attach.VERBS,
    *verify.VERBS,
    *cache.VERBS,
)
