"""Peers on a frozen set, for `benchmarks.matching --peers`: `python matching_peers.py NAME SET`, or `--list`.

It runs under the peers' own Python and imports nothing of ours. Each peer is used as its documentation suggests, and
sensibly, not tuned: pandas joins in three passes, polars the same, datacompy joins on the reference and wants one
amount, recordlinkage compares blocked pairs and splink estimates its weights by expectation maximisation; both are then
reduced to one partner a line, best first. None of them can express a sum of lines.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Ids = tuple[Any, Any]
"""Ids of the bank and of the books, pair by pair."""
KEY = ["account", "currency", "amount_cents"]


def main() -> None:
    """Run one peer and print what `benchmarks.matching_run` prints."""
    if sys.argv[1] == "--list":
        print(json.dumps({name: (peer.__doc__ or "").splitlines()[0] for name, peer in sorted(PEERS.items())}))
        return
    name, folder = sys.argv[1], Path(sys.argv[2])
    bank = pd.read_parquet(folder / "bank.parquet").rename(columns={"bank_id": "id", "value_date": "day"})
    book = pd.read_parquet(folder / "ledger.parquet").rename(columns={"ledger_id": "id", "posting_date": "day"})
    cpu, wall = time.process_time(), time.perf_counter()
    left, right = PEERS[name](bank, book)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    wrong, true = judged(folder, left, right)
    kinds = {"all": [len(left), wrong, 0]}
    print(json.dumps({"lines": len(bank), "cpu": cpu, "wall": wall, "peak_gb": peak, "true": true, "kinds": kinds}))


def judged(folder: Path, left: Any, right: Any) -> tuple[int, int]:
    """Return how many pairs of ids are wrong, and how many true pairs there are."""
    classes = [
        pd.read_parquet(folder / f"{table}.parquet").set_index(column).class_id
        for table, column in (("bankclass", "bank_id"), ("ledclass", "ledger_id"))
    ]
    truth = pd.read_parquet(folder / "truth.parquet")

    def key(one: Any, other: Any) -> pd.Series:
        return pd.Series(classes[0].loc[one].to_numpy() * 2**32 + classes[1].loc[other].to_numpy())

    expected = key(truth.bank_id, truth.ledger_id).value_counts()
    found = key(np.asarray(left), np.asarray(right))
    nth = found.groupby(found).cumcount().to_numpy()
    return int((nth >= expected.reindex(found).fillna(0).to_numpy()).sum()), len(truth)


def greedy(left: Any, right: Any, order: Any) -> Ids:
    """Return the pairs that are left when each line takes its best partner that is still free, best pairs first."""
    by = np.argsort(order, kind="stable")
    one, first = pd.factorize(np.asarray(left)[by])
    other, second = pd.factorize(np.asarray(right)[by])
    used, taken, kept = bytearray(len(first)), bytearray(len(second)), []
    for place, (line, partner) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        if not used[line] and not taken[partner]:
            used[line] = taken[partner] = 1
            kept.append(place)
    return first[one[kept]], second[other[kept]]


def number(texts: Any) -> Any:
    """Return the last number of references, zeros stripped."""
    return texts.str.upper().str.replace("O", "0").str.extract(r"([0-9]+)[^0-9]*$")[0].fillna("").str.lstrip("0")


def pandas_merge(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Join on account, currency, amount and day."""
    both = bank.merge(book, on=[*KEY, "day"], suffixes=("", "_book"))
    return greedy(both.id, both.id_book, np.zeros(len(both)))


def pandas_passes(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Join in three passes: reference and amount, its number and amount, amount and name within ten days."""
    bank = bank.assign(number=number(bank.reference), party=bank.counterparty.str.upper())
    book = book.assign(number=number(book.reference), party=book.counterparty.str.upper())
    lefts, rights = [], []
    for column in ("reference", "number", "party"):
        both = bank[bank[column] != ""].merge(book, on=[*KEY, column], suffixes=("", "_book"))
        apart = (both.day - both.day_book).abs().dt.days
        both, apart = both[apart <= 10], apart[apart <= 10]
        left, right = greedy(both.id, both.id_book, apart.to_numpy())
        lefts.append(left)
        rights.append(right)
        bank, book = bank[~bank.id.isin(left)], book[~book.id.isin(right)]
    return np.concatenate(lefts), np.concatenate(rights)


def polars_passes(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Join in the same three passes, in polars."""
    pl = import_module("polars")

    def made(frame: pd.DataFrame) -> Any:
        digits = pl.col("reference").str.to_uppercase().str.replace_all("O", "0").str.extract(r"([0-9]+)[^0-9]*$")
        return pl.from_pandas(frame).with_columns(
            digits.fill_null("").str.strip_chars_start("0").alias("number"),
            pl.col("counterparty").str.to_uppercase().alias("party"),
        )

    one, other = made(bank), made(book)
    lefts, rights = [], []
    for column in ("reference", "number", "party"):
        both = one.filter(pl.col(column) != "").join(other, on=[*KEY, column], suffix="_book")
        both = both.with_columns((pl.col("day") - pl.col("day_book")).dt.total_days().abs().alias("apart"))
        both = both.filter(pl.col("apart") <= 10)
        left, right = greedy(both["id"].to_numpy(), both["id_book"].to_numpy(), both["apart"].to_numpy())
        lefts.append(left)
        rights.append(right)
        one = one.join(pl.DataFrame({"id": left}, schema={"id": pl.String}), on="id", how="anti")
        other = other.join(pl.DataFrame({"id": right}, schema={"id": pl.String}), on="id", how="anti")
    return np.concatenate(lefts), np.concatenate(rights)


def datacompy_join(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Compare on account, currency and reference; of the rows that are in both, keep those of one amount."""
    datacompy = import_module("datacompy")

    columns = ["account", "currency", "reference", "amount_cents", "id"]
    compared = datacompy.PandasCompare(
        bank.loc[bank.reference != "", columns], book[columns], join_columns=["account", "currency", "reference"]
    )
    rows = compared.intersect_rows
    one, other = ("df1", "df2") if "id_df1" in rows else ("base", "compare")
    equal = rows[rows[f"amount_cents_{one}"] == rows[f"amount_cents_{other}"]]
    return greedy(equal[f"id_{one}"], equal[f"id_{other}"], np.zeros(len(equal)))


def recordlinkage_blocks(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Compare pairs that share the amount or the reference; take the best first from three points of four on."""
    recordlinkage = import_module("recordlinkage")

    bank, book = bank.set_index("id"), book.set_index("id")
    for frame in (bank, book):
        frame["party"] = frame.counterparty.str.upper()
        frame["digits"] = number(frame.reference)
        frame["date"] = frame.day.astype("int64") // (86_400 * 10**9)
    indexer = recordlinkage.Index()
    indexer.block([*KEY, "digits"])
    indexer.block([*KEY, "party"])
    pairs = indexer.index(bank, book)
    compare = recordlinkage.Compare()
    compare.exact("amount_cents", "amount_cents")
    compare.string("reference", "reference", method="jarowinkler", threshold=0.9)
    compare.exact("party", "party")
    compare.numeric("date", "date", method="linear", offset=1, scale=5)
    score = compare.compute(pairs, bank, book).sum(axis=1)
    score = score[score >= 2]
    return greedy(score.index.get_level_values(0), score.index.get_level_values(1), -score.to_numpy())


def splink_model(bank: pd.DataFrame, book: pd.DataFrame) -> Ids:
    """Estimate a model by expectation maximisation on two blockings; take the best first from even odds on."""
    splink, cl = import_module("splink"), import_module("splink.comparison_library")
    block_on = splink.block_on

    def made(frame: pd.DataFrame) -> Any:
        return frame.assign(
            unique_id=frame.id,
            digits=number(frame.reference).replace("", None),
            reference=frame.reference.replace("", None),
            party=frame.counterparty.str.upper().replace("", None),
            day=frame.day.dt.strftime("%Y-%m-%d"),
        )[["unique_id", *KEY, "reference", "digits", "party", "day"]]

    days = cl.AbsoluteDateDifferenceAtThresholds(
        "day", input_is_string=True, metrics=["day"] * 3, thresholds=[1, 5, 10]
    )
    settings = splink.SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.LevenshteinAtThresholds("reference", [1, 2]),
            cl.JaroWinklerAtThresholds("party", [0.9]),
            days,
            cl.ExactMatch("amount_cents"),
        ],
        blocking_rules_to_generate_predictions=[block_on("account", "digits"), block_on(*KEY, "party")],
    )
    api = splink.DuckDBAPI()
    frames = [api.register(made(frame), dataset_display_name=name) for name, frame in (("bank", bank), ("book", book))]
    linker = splink.Linker(frames, settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("account", "digits"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("account", "party", "day"))
    found = linker.inference.predict(threshold_match_probability=0.5).as_pandas_dataframe()
    swap = found.unique_id_l.str.startswith("L").to_numpy()
    left = np.where(swap, found.unique_id_r, found.unique_id_l)
    right = np.where(swap, found.unique_id_l, found.unique_id_r)
    return greedy(left, right, -found.match_probability.to_numpy())


PEERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], Ids]] = {
    "pandas merge": pandas_merge,
    "pandas passes": pandas_passes,
    "polars passes": polars_passes,
    "datacompy": datacompy_join,
    "recordlinkage": recordlinkage_blocks,
    "splink": splink_model,
}

if __name__ == "__main__":
    main()
