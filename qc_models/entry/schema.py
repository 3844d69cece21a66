"""The feature schema: every cell of every workflow has these features, with the same meaning.

The order of `NAMES` is part of an artifact: a change here makes older artifacts foreign (see `schema_hash`), which is
meant. docs/reference/entry-features.md says what each one is.
"""

from __future__ import annotations

from qc_models.family import schema_of

VERSION = "3"
HISTORY = (
    "is_text",
    "is_number",
    "is_date",
    "in_table",
    "missing",
    "missing_share",
    "missing_share_group",
    "group_support",
    "value_count",
    "value_share_group",
    "unique_share",
    "mask_share",
    "mask_share_group",
    "shape_share",
    "shape_share_group",
    "bigram_least",
    "bigram_mean",
    "neighbour_distance",
    "neighbour_count",
    "check_digits_fail",
    "told_share_1",
    "told_confidence_1",
    "told_support_1",
    "told_share_2",
    "told_confidence_2",
    "told_share_3",
    "told_confidence_3",
    "told_against",
    "told_for",
    "tells_against",
    "tells_for",
    "size_z",
    "size_z_group",
    "size_ratio_group",
    "size_ratio_fine",
    "fine_support",
    "weekday_share",
    "days_ahead",
    "lag_share_group",
    "lag_share",
    "lag_far",
    "laws_broken",
    "laws_kept",
    "laws_blame",
    "law_size",
    "frame_share",
    "sequence_far",
    "sequence_off",
    "sequence_step",
    "sequence_support",
    "twin_equal",
    "twin_distance",
    "record_laws_broken",
    "record_told_against",
)
"""The record against verified earlier ones."""
PAIRS = ("read_equal", "read_missing", "read_distance", "read_ratio")
"""The record against what the application showed afterwards; NaN where nothing was read."""
SIGNALS = ("attempts", "failures", "seconds", "pace", "logins")
"""What a case may say of the process that entered it, by the name it has there."""
PROCESS = (*(f"process_{name}" for name in SIGNALS), "party_errors")
"""What is known of the process, the same for every cell of a record; NaN where the case does not say."""
NAMES = (*HISTORY, *PAIRS, *PROCESS)
AT = {name: position for position, name in enumerate(NAMES)}

_RISING = frozenset(
    {
        "told_against",
        "tells_against",
        "laws_broken",
        "law_size",
        "lag_far",
        "check_digits_fail",
        "sequence_far",
        "twin_equal",
        "read_missing",
        "read_distance",
    }
)
_FALLING = frozenset(
    {
        "told_share_1",
        "told_share_2",
        "told_share_3",
        "told_for",
        "tells_for",
        "frame_share",
        "mask_share_group",
        "shape_share_group",
        "value_share_group",
        "weekday_share",
        "lag_share_group",
        "lag_share",
        "read_equal",
    }
)
MONOTONE = tuple(int(name in _RISING) - int(name in _FALLING) for name in NAMES)
"""Which way suspicion may go as a feature grows: +1 only up, -1 only down, 0 either. More evidence is never less."""


def schema_hash() -> str:
    """Return the SHA-256 of the features' version, names and order."""
    return schema_of(VERSION, NAMES)
