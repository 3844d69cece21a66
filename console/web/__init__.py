"""The web console: pages drawn on the server, over the ledger's own functions."""
