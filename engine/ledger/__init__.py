"""The ledger: the one place that decides, and the only one with SQL.

    definitions  what a run pins: texts, hash
    runs         one start of a workflow               -> items
    items        one business record, unique by (workflow, reference); fence, lease and `available_at` live here
    attempts     one try at an item, one row per fence, never overwritten
    intents      append-only: one row before every commit that is about to be sent
    evidence     files of an attempt: kind, path, SHA-256
    verdicts     pass or review, with findings by field
    reviews      what a person decided, and on which attempt
    events       everything else worth remembering, append-only
    models       which artifact is champion, challenger, previous
    apps         what every worker must heed of an application: breaker, sessions, pace, maintenance
    workers      processes that beat; not in a backup
    schedules    when workflows start by themselves, as written and as changed at run time
    slots        one planned start, decided once          -> runs
    incidents    what went wrong beside the items, until it is over or closed
    users, sessions, throttles    who may sign in to the console, who is, and who has to wait before trying again
    audit_log    who did what in the console, append-only, each entry with the hash of the one before it
    review_claims                 who looks at which item just now
    meta         the clock's anchor, the salt of erasures, whether the ledger was restored and may be trusted

Writes: `runs` (enqueue, audit), `queue` (claim, extend), `protocol` (gate, decide, settle), `reviews`, `models`,
`schedules` (sync, pause, change), `slots` (start, leave out, wait), `incidents`.
Reads: `reads`. Every write about an item is guarded by its fence; one that hits no row raises `engine.errors.Stale`.
"""
