"""Drift, and what caused it: the bot, the source's format, the application or the model."""
