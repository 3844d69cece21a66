"""How wrong can it still be: exact bounds from audited records, thresholds that are proven, alarms that may be watched.

Pure statistics: no ledger, no files, no clock. The unit is the record. docs/reference/guarantee.md says what is
promised, under which assumptions, and from which papers the methods are taken.
"""
