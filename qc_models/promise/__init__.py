"""The promise kept: what a rate is about, the threshold in force, certificates, the watch, receipts and the cost dial.

A thin layer between the ledger and the statistics of `qc_models.guarantee`. docs/howto/prove-the-error-rate.md is its
manual.
"""
