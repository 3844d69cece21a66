"""The promise kept: what a rate is about, the threshold in force, certificates, the watch, receipts and the cost dial.

A thin layer between the ledger and the statistics of `qc_models.guarantee`. docs/howto/prove-the-error-rate.md is its
manual.
"""

from qc_models.promise.cli import build_quality
from qc_models.promise.standing import Promises
from qc_models.promise.watch import watch_rates

__all__ = ["Promises", "build_quality", "watch_rates"]
