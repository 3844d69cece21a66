"""Reconciliation: two sides read without losing a line, matched, explained and proven."""
