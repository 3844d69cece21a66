"""The ledger's own words, for people: states, roles, kinds. `N_` marks a text whose translation is looked up later."""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a text for the catalogs and return it as it is."""
    return text


WORDS = {
    # states of an item
    "ready": N_("ready"),
    "working": N_("in work"),
    "submitting": N_("committing"),
    "submitted": N_("committed"),
    "passed": N_("passed"),
    "review": N_("in review"),
    "accepted": N_("accepted"),
    "correcting": N_("being corrected"),
    "corrected": N_("corrected"),
    "rejected": N_("rejected"),
    "cancelled": N_("cancelled"),
    # states and kinds of a run
    "open": N_("running"),
    "auditing": N_("being audited"),
    "done": N_("done"),
    "entry": N_("entry"),
    "correction": N_("correction"),
    # outcomes of an attempt and of a commit
    "running": N_("running"),
    "retry": N_("tried again later"),
    "in_doubt": N_("in doubt"),
    "orphaned": N_("worker died"),
    "released": N_("released"),
    "sent": N_("sent"),
    "absent": N_("never arrived"),
    "not_clicked": N_("not sent"),
    "unknown": N_("unknown"),
    # decisions
    "accept": N_("accept"),
    "correct": N_("correct"),
    "reject": N_("reject"),
    "pass": N_("pass"),
    "blind": N_("second look"),
    "adjudication": N_("third opinion"),
    # roles
    "operator": N_("operator"),
    "qa_lead": N_("QA lead"),
    "developer": N_("developer"),
    "admin": N_("admin"),
    # why something waits
    "audit_sample": N_("random sample"),
    "disputed": N_("two people disagree"),
    "overruled": N_("overruled"),
    "not_equal": N_("read back differently"),
    "invalid_input": N_("invalid input"),
    "model_doubt": N_("the model doubts"),
    # how a figure stands against its target
    "proven": N_("target proven"),
    "met": N_("target met, not yet proven"),
    "missed": N_("target missed"),
    "no data": N_("no data yet"),
    # figures
    "error_rate": N_("Error rate"),
    "residual_error_rate": N_("Residual error rate"),
    "straight_through": N_("Straight-through rate"),
    "first_pass_yield": N_("First-pass yield"),
    "accuracy": N_("Accuracy of verdicts"),
    # themes
    "auto": N_("as the system"),
    "light": N_("light"),
    "dark": N_("dark"),
}


def word(code: str) -> str:
    """Return the English words of a code; one that is not known is a word itself."""
    return WORDS.get(code, code.replace("_", " "))
