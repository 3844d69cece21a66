"""Readers of bank and ledger files: one file a format, one registry."""
