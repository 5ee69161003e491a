"""What stands behind `jupyter uml`: the name of each sub-command, where its application is, and what it does."""

from __future__ import annotations

SUBCOMMANDS = {
    "models": ("jupyter_uml.commands.models.ModelsApp", "List the models, and what cannot be loaded and why."),
    "load": ("jupyter_uml.commands.load.LoadApp", "Load a model on the running server."),
    "unload": ("jupyter_uml.commands.unload.UnloadApp", "Give a model's memory back."),
    "estimate": ("jupyter_uml.commands.estimate.EstimateApp", "Say whether a model fits, and with what settings."),
    "pull": ("jupyter_uml.commands.pull.PullApp", "Bring a model from Hugging Face's hub."),
    "profiles": ("jupyter_uml.commands.profiles.ProfilesApp", "List the models with settings of their own."),
    "keys": ("jupyter_uml.commands.keys.KeysApp", "API keys: create, list, expire, revoke."),
    "usage": ("jupyter_uml.commands.usage.UsageApp", "Say what was used, by key, model and day."),
    "bench": ("jupyter_uml.commands.bench.BenchApp", "Measure how fast a model computes, for its next load."),
    "doctor": ("jupyter_uml.commands.doctor.DoctorApp", "Say what this machine can run and what is wrong with it."),
}
