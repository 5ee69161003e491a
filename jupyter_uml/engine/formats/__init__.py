"""How models write reasoning and tool calls: one file for each family, chosen by the chat template."""
