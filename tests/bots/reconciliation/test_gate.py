"""Which kinds of evidence close on their own."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from bots.reconciliation.gate import SEED_WORDS, Evidence, closing, needed, seeded, standings
from engine.errors import UserError


@pytest.mark.parametrize(("reviewed", "wrong"), [(10, 0), (30_000, 1), (561_547, 50), (7, 7)])
def test_the_bound_is_where_so_few_errors_become_as_rare_as_the_risk(reviewed: int, wrong: int) -> None:
    bound = Evidence("k", reviewed, wrong, "own").bound(0.95)
    chance = binom.cdf(wrong, reviewed, bound) if wrong < reviewed else 1.0
    assert chance == pytest.approx(0.05 if wrong < reviewed else 1.0, rel=1e-6)


def test_a_kind_closes_from_the_first_sample_on_that_proves_the_limit() -> None:
    fewest = needed(0, 1e-4, 0.95)
    assert fewest == 29_956
    assert closing([Evidence("k", fewest, 0, "seed")]) == {"k"}
    assert closing([Evidence("k", fewest - 1, 0, "seed")]) == frozenset()
    assert Evidence("k", needed(3, 1e-4, 0.95), 3, "own").bound(0.95) <= 1e-4
    assert Evidence("k", needed(3, 1e-4, 0.95) - 1, 3, "own").bound(0.95) > 1e-4


def test_each_kind_stands_by_its_own_samples_which_are_added_up() -> None:
    parts = [Evidence("a", 15_000, 0, "seed"), Evidence("b", 90_000, 40, "seed"), Evidence("a", 15_000, 0, "seed")]
    assert closing(parts) == {"a"}
    assert closing(parts[:2]) == frozenset()


def test_one_wrong_match_of_ones_own_reopens_what_the_seed_had_closed() -> None:
    seed = Evidence("k", 500_000, 3, "seed")
    assert closing([seed]) == {"k"}
    assert closing([seed, Evidence("k", 400, 0, "own")]) == {"k"}
    (held,) = standings([seed, Evidence("k", 400, 1, "own")])
    assert not held.closes
    assert held.source == "own"
    assert held.missing == needed(1, 1e-4, 0.95) - 400
    assert "held back" in held.words


def test_enough_reviews_of_ones_own_decide_alone_both_ways() -> None:
    bad, good = Evidence("k", 500_000, 400, "seed"), Evidence("k", 500_000, 0, "seed")
    assert closing([bad, Evidence("k", 60_000, 1, "own")]) == {"k"}
    assert closing([good, Evidence("k", 60_000, 60, "own")]) == frozenset()


def test_a_strength_closes_with_the_stronger_ones_of_its_base_unless_it_is_shown_to_be_worse_than_the_limit() -> None:
    certain, strong = Evidence("slip_certain", 20_000, 0, "seed"), Evidence("slip_strong", 20_000, 0, "seed")
    assert closing([certain]) == closing([strong]) == frozenset()
    assert closing([certain, strong]) == {"slip_certain", "slip_strong"}
    worse = Evidence("slip_strong", 20_000, 6, "seed")  # 3 in 10,000: hidden among so many certain ones, but seen
    many = Evidence("slip_certain", 500_000, 0, "seed")
    assert closing([many, worse]) == {"slip_certain"}
    assert closing([many, Evidence("slip_doubtful", 20_000, 0, "seed")]) == {"slip_certain"}
    assert closing([many, strong, Evidence("slip_strong", 1, 1, "own")]) == {"slip_certain"}
    assert closing([many, strong, Evidence("slip_certain", 1, 1, "own")]) == frozenset()


def test_what_is_only_suggested_or_decided_by_own_reviews_carries_no_other_strength() -> None:
    certain, strong = Evidence("slip_certain", 20_000, 0, "seed"), Evidence("slip_strong", 20_000, 0, "seed")
    held = standings([certain, strong], held=frozenset({"slip_strong"}))
    assert not any(one.closes for one in held)
    reviews = Evidence("slip_certain", 60_000, 1, "own")
    assert closing([reviews, Evidence("slip_strong", 5, 0, "own")]) == {"slip_certain"}
    assert closing([certain, strong, reviews]) == {"slip_certain"}
    assert closing([certain, strong, Evidence("slip_certain", 40_000, 40, "own")]) == frozenset()


def test_nothing_closes_without_a_sample_and_nonsense_is_refused() -> None:
    assert closing([]) == frozenset()
    assert closing([Evidence("k", 0, 0, "own")]) == frozenset()
    for limit, confidence in ((0.0, 0.95), (1.5, 0.95), (1e-4, 0.2), (1e-4, 1.0)):
        with pytest.raises(UserError):
            closing([Evidence("k", 1, 0, "own")], limit, confidence)
    with pytest.raises(UserError, match="no sample"):
        Evidence("k", 3, 4, "own")


def test_the_seeded_figures_say_how_they_were_made_and_whose_they_are() -> None:
    seed = seeded()
    assert seed.words.startswith(SEED_WORDS)
    assert seed.generator in seed.command
    assert all(f"{profile}:{','.join(map(str, seeds))}" in seed.command for profile, seeds in seed.worlds)
    assert {one.source for one in seed.evidence} <= {"seed"}
    assert len({one.kind for one in seed.evidence}) == len(seed.evidence)


def test_what_is_doubtful_by_its_own_odds_closes_by_own_reviews_alone() -> None:
    kind = "same_fee_doubtful"
    [seed] = standings([Evidence(kind, 1_000_000, 0, "seed")])
    assert (seed.closes, "only reviews of your own" in seed.words) == (False, True)
    assert closing([Evidence(kind, 1_000_000, 0, "seed"), Evidence(kind, 30_000, 0, "own")]) == {kind}
    assert not any(one.endswith("_doubtful") for one in closing(seeded().evidence))
