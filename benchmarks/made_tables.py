"""Tables of other structure than the public ones, with planted errors of many kinds: whether the detector is general.

`orders` and `people` are written here, `catalogue` has many sources that contradict each other, `invoices` comes from
the portal's own generator. Same seed, same table.
"""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from fixtures.generate import write_invoices

Rows = list[list[str]]
Made = tuple[list[str], Rows, Rows]
_CITIES = {
    "10115": ("Berlin", "DE"),
    "20095": ("Hamburg", "DE"),
    "80331": ("München", "DE"),
    "50667": ("Köln", "DE"),
    "75001": ("Paris", "FR"),
    "69001": ("Lyon", "FR"),
    "31000": ("Toulouse", "FR"),
    "1010": ("Wien", "AT"),
    "5020": ("Salzburg", "AT"),
    "00-001": ("Warszawa", "PL"),
    "90-001": ("Łódź", "PL"),
    "28001": ("Madrid", "ES"),
    "41001": ("Sevilla", "ES"),
}
_ITEMS = {
    "desk lamp": ("lighting", 39.9),
    "floor lamp": ("lighting", 89.0),
    "office chair": ("seating", 249.0),
    "stool": ("seating", 59.5),
    "standing desk": ("tables", 599.0),
    "side table": ("tables", 79.0),
    "bookshelf": ("storage", 129.0),
    "filing cabinet": ("storage", 189.0),
    "whiteboard": ("presentation", 99.0),
    "flip chart": ("presentation", 119.0),
}
_FIRST = [
    "Anna",
    "Ben",
    "Chloé",
    "David",
    "Elif",
    "Fatima",
    "Georg",
    "Håkon",
    "Ines",
    "Jörg",
    "Katarzyna",
    "Luca",
    "Mei",
    "Noah",
    "Olga",
    "Paweł",
    "Renée",
    "Søren",
]
_LAST = [
    "Müller",
    "Schmidt",
    "Nowak",
    "García",
    "Rossi",
    "Dubois",
    "Kowalska",
    "Jensen",
    "Öztürk",
    "Weiß",
    "Lindqvist",
    "Horák",
    "Costa",
    "Meyer",
    "Vogel",
]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def orders(seed: int, rows: int = 2_000, share: float = 0.03) -> Made:
    """Return orders of customers: thirteen columns with dependencies, arithmetic, dates, money and mail addresses."""
    rng = random.Random(f"orders {seed}")  # noqa: S311 - seeded, not secret
    header = [
        "order",
        "date",
        "customer",
        "name",
        "mail",
        "zip",
        "city",
        "country",
        "item",
        "category",
        "quantity",
        "price",
        "amount",
    ]
    customers = []
    for number in range(rows // 12 + 2):
        name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
        mail = f"{name.lower().replace(' ', '.')}{number}@{rng.choice(('example.com', 'example.org', 'mail.example'))}"
        code = rng.choice(list(_CITIES))
        customers.append([f"C{number:04d}", name, mail, code, *_CITIES[code]])
    clean = []
    for number in range(rows):
        item = rng.choice(list(_ITEMS))
        category, price = _ITEMS[item]
        quantity = rng.choices((1, 2, 3, 4, 6, 10), (50, 20, 10, 8, 7, 5))[0]
        day = date(2025, 1, 1) + timedelta(days=number // 6)
        money = [str(quantity), f"{price:.2f}", f"{quantity * price:.2f}"]
        clean.append([f"{100_000 + number}", day.isoformat(), *rng.choice(customers), item, category, *money])
    kinds: dict[str, tuple[Callable[..., str], ...]] = {
        "date": (_other_date, _empty, _digit),
        "customer": (_digit, _other),
        "name": (_typo, _typo, _case),
        "mail": (_typo, _no_at, _empty),
        "zip": (_other, _digit),
        "city": (_other, _typo, _typo, _space),
        "country": (_other, _unknown),
        "item": (_typo, _case),
        "category": (_other, _typo, _empty),
        "quantity": (_outlier, _empty),
        "price": (_shift, _comma, _unit),
        "amount": (_shift, _digit),
    }
    return header, _spoil(header, clean, kinds, share, rng), clean


def people(seed: int, rows: int = 300, share: float = 0.05) -> Made:
    """Return a small register of persons: seven columns, hardly a value twice in some of them."""
    rng = random.Random(f"people {seed}")  # noqa: S311 - seeded, not secret
    header = ["id", "name", "born", "phone", "team", "site", "grade"]
    teams = {"Einkauf": "Wien", "Vertrieb": "Köln", "Lager": "Łódź", "Technik": "Wien", "Labor": "Lyon"}
    clean = []
    for number in range(rows):
        born = date(1960, 1, 1) + timedelta(days=rng.randrange(15_000))
        phone = f"+{rng.choice((43, 49, 33, 48))} {rng.randrange(100, 999)} {rng.randrange(100_000, 9_999_999)}"
        team = rng.choice(list(teams))
        name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
        clean.append([f"P-{number:05d}", name, f"{born:%d.%m.%Y}", phone, team, teams[team], rng.choice("ABCD")])
    kinds: dict[str, tuple[Callable[..., str], ...]] = {
        "name": (_typo, _case),
        "born": (_iso, _empty),
        "phone": (_dashes, _empty),
        "team": (_typo, _other),
        "site": (_typo, _other, _unknown),
        "grade": (_lower, _empty),
    }
    return header, _spoil(header, clean, kinds, share, rng), clean


def catalogue(seed: int, products: int = 150) -> Made:
    """Return what fourteen shops, some of them careless, say about the same products: wrong where a shop is wrong."""
    rng = random.Random(f"catalogue {seed}")  # noqa: S311 - seeded, not secret
    header = ["shop", "article", "maker", "weight", "width", "colour", "released"]
    care = {f"shop-{letter}": rng.choice((0.02, 0.05, 0.1, 0.3, 0.5)) for letter in "abcdefghijklmn"}
    truth = {}
    for number in range(products):
        released = date(2015, 1, 1) + timedelta(days=rng.randrange(3_500))
        maker, colour = (
            rng.choice(("Acme", "Borealis", "Cirrus", "Delta")),
            rng.choice(("black", "white", "oak", "red")),
        )
        size = [f"{rng.randrange(200, 9_000)} g", f"{rng.randrange(10, 300)} cm"]
        truth[f"{maker[:2].upper()}-{number:04d}"] = [maker, *size, colour, released.isoformat()]
    clean, dirty = [], []
    for article, facts in truth.items():
        for shop, slips in care.items():
            if rng.random() < 0.75:
                clean.append([shop, article, *facts])
                dirty.append(
                    [
                        shop,
                        article,
                        *(_slip(fact, slips, header[at + 2], truth, at, rng) for at, fact in enumerate(facts)),
                    ]
                )
    return header, dirty, clean


def invoices(seed: int, rows: int = 1_500, share: float = 0.12) -> Made:
    """Return the headers of supplier invoices from the portal's generator, wrong in the ways that a table shows."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = "number_typo amount_swap amount_shift wrong_date wrong_tax wrong_currency wrong_iban wrong_cost_center"
        errors = dict.fromkeys([*kinds.split(), "missing_order"], share / 9)
        planted = write_invoices(Path(folder), rows, seed, errors).planted
        with (Path(folder) / "invoices.csv").open(encoding="utf-8", newline="") as handle:
            header, *dirty = list(csv.reader(handle))
    clean = [list(row) for row in dirty]
    for row in clean:
        for mistake in planted.get(f"{row[0]}/{row[1]}", ()):
            if mistake.field in header:
                row[header.index(mistake.field)] = mistake.right
    return header, dirty, clean


def _spoil(
    header: list[str], clean: Rows, kinds: dict[str, tuple[Callable[..., str], ...]], share: float, rng: random.Random
) -> Rows:
    dirty = [list(row) for row in clean]
    for row in dirty:
        for name, ways in kinds.items():
            if rng.random() < share:
                at = header.index(name)
                row[at] = rng.choice(ways)(row[at], [other[at] for other in rng.choices(clean, k=8)], rng)
    return dirty


def _slip(fact: str, slips: float, name: str, truth: dict[str, list[str]], at: int, rng: random.Random) -> str:
    if rng.random() >= slips:
        return fact
    ways = (_other, _empty, _digit if name in {"weight", "width", "released"} else _typo)
    return rng.choice(ways)(fact, [facts[at] for facts in truth.values()], rng)


def _typo(value: str, others: list[str], rng: random.Random) -> str:
    del others
    at = rng.randrange(len(value))
    letter = rng.choice([one for one in _LETTERS if one != value[at]])
    changed = (value[:at] + letter + value[at + 1 :], value[:at] + letter + value[at:], value[:at] + value[at + 1 :])
    return rng.choice(changed)


def _digit(value: str, others: list[str], rng: random.Random) -> str:
    del others
    places = [at for at, sign in enumerate(value) if sign.isdecimal()]
    at = rng.choice(places)
    return value[:at] + rng.choice([sign for sign in "0123456789" if sign != value[at]]) + value[at + 1 :]


def _other(value: str, others: list[str], rng: random.Random) -> str:
    return rng.choice([other for other in others if other != value] or [value])


def _other_date(value: str, others: list[str], rng: random.Random) -> str:
    del others
    day = date.fromisoformat(value)
    return f"{day:%d/%m/%Y}" if rng.random() < 0.7 else f"{day:%Y%m%d}"


def _outlier(value: str, others: list[str], rng: random.Random) -> str:
    del others
    return str(int(value) * rng.choice((100, 250, -1)))


def _shift(value: str, others: list[str], rng: random.Random) -> str:
    del others
    return f"{float(value) * rng.choice((10, 0.1)):.2f}"


def _empty(*_: object) -> str:
    return ""


def _unknown(value: str, others: list[str], rng: random.Random) -> str:
    del value, others
    return rng.choice(("N/A", "?", ""))


def _case(value: str, *_: object) -> str:
    return value.upper()


def _lower(value: str, *_: object) -> str:
    return value.lower()


def _space(value: str, *_: object) -> str:
    return f" {value} "


def _no_at(value: str, *_: object) -> str:
    return value.replace("@", "")


def _comma(value: str, *_: object) -> str:
    return value.replace(".", ",")


def _unit(value: str, *_: object) -> str:
    return f"{value} EUR"


def _iso(value: str, *_: object) -> str:
    return "-".join(reversed(value.split(".")))


def _dashes(value: str, *_: object) -> str:
    return value.replace(" ", "-")


MADE: dict[str, Callable[[int], Made]] = {
    "orders": orders,
    "people": people,
    "catalogue": catalogue,
    "invoices": invoices,
}
