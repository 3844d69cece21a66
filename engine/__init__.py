"""Runs work items durably: definitions, ledger, execution, retry, metrics. Knows no bot, no model and no page."""
