"""The main job end to end: real portal, real browser, real ledger, real processes."""
