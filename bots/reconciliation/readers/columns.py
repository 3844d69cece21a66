"""Which column of a table holds what: as declared, or told from its heading in the languages banks write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bots.reconciliation.money import CURRENCIES, SYMBOLS
from bots.reconciliation.readers.text import Unclear

ROLES = (
    "booked",
    "valued",
    "amount",
    "debit",
    "credit",
    "sign",
    "currency",
    "balance",
    "name",
    "counter_account",
    "reference",
    "end_to_end",
    "bank_id",
    "text",
    "account",
)
_HEADINGS = """
booked: booking date, booked, posting date, posted, post date, gl date, accounting date, effective date,
    completed date, transaction date, trans date, date, buchungstag, buchungsdatum, buchung, datum, date operation,
    date de comptabilisation, date comptable, fecha contable, fecha operacion, fecha, data contabile, data,
    boekdatum, 记账日期, 記帳日期, 入账日期, 入帳日期, 交易日期, 交易日, 交易时间, 记账时间, 日期
valued: value date, value dt, valuta, valutadatum, wertstellung, wert, date valeur, date de valeur, fecha valor, data
    valuta, rentedatum, 起息日, 价值日期
amount: amount, betrag, umsatz, montant, importe, importo, bedrag, transaction amount, net amount, betrag in
    hauswahrung, amount in local currency, 金额, 金額, 交易金额, 交易金額, 发生额
debit: debit, debit amount, money out, paid out, withdrawal, withdrawals, withdrawal amount, withdrawal amt, soll,
    soll betrag, lastschrift, debet, cargo, addebito, addebiti, dare, uscite, 借方, 借方金额, 借方金額, 借方发生额,
    支出, 支出金额, 支出金額, 付款金额, 提出
credit: credit, credit amount, money in, paid in, deposit, deposits, deposit amount, deposit amt, haben,
    haben betrag, gutschrift, abono, accredito, accrediti, avere, entrate, 贷方, 贷方金额, 貸方, 貸方金額,
    贷方发生额, 收入, 收入金额, 收款金额, 存入
sign: debit credit, credit debit, dc, cd, d c, c d, dr cr, cr dr, soll haben, s h, sh, af bij, sens,
    借贷, 借贷标志, 借贷方向, 收 支, type
currency: currency, ccy, currency code, local currency, wahrung, waehrung, devise, divisa, moneda, valuta waehrung,
    币种, 货币, 幣別
balance: balance, running balance, account balance, closing balance, saldo, kontostand, solde, 余额, 餘額, 账户余额
name: name, counterparty, payee, payer, beneficiary, party, customer, supplier, vendor, empfanger,
    auftraggeber, beguenstigter, begunstigter zahlungspflichtiger, auftraggeber empfanger,
    beneficiaire, tiers, beneficiario, contraparte, tegenpartij, naam tegenpartij,
    zahlungsempfanger, auftraggeber zahlungsempfanger, begunstigter, partner, partner name, ordenante,
    对方户名, 对方名称, 交易对方, 户名, 客户, 供应商
counter_account: counterparty account, iban, counter account, kontonummer iban, gegenkonto, compte, cuenta, 对方账号,
    对方账户
reference: reference, ref, referenz, reference no, voucher no, journal no, entry no, chq ref no, cheque number,
    document, document number, document no, invoice, invoice number,
    invoice no, belegnummer, belegnr, rechnungsnummer, referencia, riferimento, 凭证号, 参考号, 发票号, 单据号
end_to_end: end to end id, end to end, endtoendid, end to end referenz, e2e
bank_id: transaction id, bank id, bank reference, entry id, id, fitid, transaktions id, 交易流水号, 流水号
text: description, details, memo, narrative, narration, particulars, transaction details, text, purpose,
    remittance, verwendungszweck,
    buchungstext, libelle, concepto, descripcion, descrizione, causale, omschrijving, 摘要, 附言, 用途, 备注
account: account, account number, konto, kontonummer, auftragskonto, own account, gl account, 账号, 帳號, 本方账号
"""
"""Role to headings as `plain` writes them, the surest first, in the languages that banks write."""
_RANKED = [(role.replace("_", " "), role) for role in ROLES] + [
    (heading.strip(), role)
    for role, headings in re.findall(r"^(\w+): ((?:.*\n)(?: +.*\n)*)", _HEADINGS.lstrip(), re.MULTILINE)
    for heading in " ".join(headings.split()).split(",")
]
_ROLE_OF: dict[str, str] = dict(_RANKED)
_RANK = {heading: rank for rank, (heading, _) in enumerate(_RANKED)}
"""Of two columns that may hold the same, the one whose heading stands first is meant: a posting date before a date."""
MONEY = ("amount", "debit", "credit")
"""Roles of which a table never has two columns that mean the same."""


@dataclass(frozen=True)
class Columns:
    """Which column holds what."""

    roles: dict[str, int]
    rivals: dict[str, tuple[int, ...]]
    """Columns that may hold an amount, where there are several and none is declared."""
    currency: str
    """The one that the headings of the amounts name: Betrag (EUR); empty where they name none."""


def plain(heading: str) -> str:
    """Return a heading without case, accents, brackets and signs."""
    bare = re.sub(r"[(\[（【].*?[)\]）】]", " ", heading)
    letters = unicodedata.normalize("NFKD", bare.casefold())
    kept = "".join(" " if not sign.isalnum() else sign for sign in letters if not unicodedata.combining(sign))
    return " ".join(kept.split())


def columns_of(headings: Sequence[str], declared: Mapping[str, str]) -> Columns:
    """Return the column of each role that the table has.

    Args:
        headings: the table's headings, left to right.
        declared: role to heading; goes before what headings tell.

    Raises:
        Unclear: a declared heading is not there, the headings tell of no date or no amount, or of two currencies.
    """
    found: dict[str, int] = {}
    plains = [plain(heading) for heading in headings]
    for role, heading in declared.items():
        if heading not in headings and plain(heading) not in plains:
            said = f"there is no column {heading!r} (for {role}); the columns are {', '.join(headings)}"
            raise Unclear(said, "columns")
        found[role] = headings.index(heading) if heading in headings else plains.index(plain(heading))
    known: dict[str, list[int]] = {}
    taken = set(found.values())
    for at, heading in enumerate(headings):
        role = _told(heading)
        if role and role not in found and at not in taken:
            known.setdefault(role, []).append(at)
    if "amount" in declared:
        known = {role: places for role, places in known.items() if role not in {"debit", "credit"}}
    elif {"debit", "credit"} <= declared.keys():
        known.pop("amount", None)
    for role, places in known.items():
        found[role] = min(places, key=lambda at: _RANK.get(plains[at], len(_RANK)))
    missing = _missing(found)
    if missing:
        raise Unclear(f"no column is known to hold {missing}; the columns are {', '.join(headings)}", "columns")
    if set(MONEY) <= found.keys():
        both = ", ".join(repr(headings[found[role]]) for role in MONEY)
        raise Unclear(f"the amount may be in {both}: one column of amounts, or two of debits and credits", "columns")
    rivals = {role: tuple(places) for role, places in known.items() if role in MONEY and len(places) > 1}
    return Columns(found, rivals, _currency(headings, found, rivals))


def _currency(headings: Sequence[str], found: Mapping[str, int], rivals: Mapping[str, Sequence[int]]) -> str:
    named = {currency_in(headings[found[role]]) for role in MONEY if role in found and role not in rivals} - {""}
    if len(named) > 1:
        raise Unclear(f"its amounts are in {' and '.join(sorted(named))}, as their headings say", "columns")
    return named.pop() if named else ""


def currency_in(heading: str) -> str:
    """Return the currency that the heading of an amount names, empty where it names none: Betrag (EUR), Amount in £."""
    words = re.findall(r"[^\W\d_]+|[^\w\s]", heading)
    named = {word for word in words if word in CURRENCIES}
    named |= {SYMBOLS[word][0] for word in words if len(SYMBOLS.get(word, ())) == 1}
    return named.pop() if len(named) == 1 else ""


def _told(heading: str) -> str:
    """Return the role that a heading tells of, with or without a currency at its end; empty for none."""
    name = plain(heading)
    role = _ROLE_OF.get(name, "")
    if role or not currency_in(heading):
        return role
    short = " ".join(word for word in name.split() if word.upper() not in CURRENCIES).removesuffix(" in").strip()
    role = _ROLE_OF.get(short, "")
    return role if role in {*MONEY, "balance"} else ""


def is_heading(cells: Sequence[str]) -> bool:
    """Say whether a row looks like headings: a date and an amount are among them."""
    return not _missing({role for role in map(_told, cells) if role})


def _missing(found: Mapping[str, int] | set[str]) -> str:
    if "booked" not in found and "valued" not in found:
        return "the booking date"
    if "amount" not in found and not {"debit", "credit"} <= set(found):
        return "the amount"
    return ""
