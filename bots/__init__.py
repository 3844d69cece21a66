"""Hands: browser sessions, steps and the single-send guard."""
