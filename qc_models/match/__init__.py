"""The match-quality family: is this reconciliation match wrong, and why? It decides nothing about who is matched."""
