"""Which column of a table holds what: as declared, or told from its heading in the languages banks write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

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
booked: booking date, booked, posting date, posted, post date, transaction date, trans date, date,
    buchungstag, buchungsdatum, datum, date operation, date de comptabilisation, date comptable,
    fecha, fecha operacion, fecha contable, data, data contabile, 记账日期, 交易日期, 交易日, 日期, 入账日期
valued: value date, valuta, valutadatum, wertstellung, date valeur, date de valeur, fecha valor, data
    valuta, 起息日, 价值日期
amount: amount, betrag, umsatz, montant, importe, importo, bedrag, betrag eur, amount eur, transaction
    amount, 金额, 交易金额, 发生额
debit: debit, debit amount, money out, paid out, withdrawal, withdrawals, soll, lastschrift, debet,
    cargo, addebito, dare, 借方, 借方金额, 支出, 支出金额, 付款金额
credit: credit, credit amount, money in, paid in, deposit, deposits, haben, gutschrift, abono,
    accredito, avere, 贷方, 贷方金额, 收入, 收入金额, 收款金额
sign: debit credit, credit debit, dc, cd, d c, c d, dr cr, cr dr, soll haben, s h, af bij, type, sens,
    借贷, 借贷标志
currency: currency, ccy, wahrung, waehrung, devise, divisa, moneda, valuta waehrung, 币种, 货币
balance: balance, running balance, saldo, kontostand, solde, 余额, 账户余额
name: name, counterparty, payee, payer, beneficiary, party, customer, supplier, vendor, empfanger,
    auftraggeber, beguenstigter, begunstigter zahlungspflichtiger, auftraggeber empfanger,
    beneficiaire, tiers, beneficiario, contraparte, tegenpartij, 对方户名, 对方名称, 交易对方, 户名, 客户, 供应商
counter_account: counterparty account, iban, counter account, kontonummer iban, gegenkonto, compte, cuenta, 对方账号,
    对方账户
reference: reference, ref, referenz, document, document number, document no, invoice, invoice number,
    invoice no, belegnummer, belegnr, rechnungsnummer, referencia, riferimento, 凭证号, 参考号, 发票号, 单据号
end_to_end: end to end id, end to end, endtoendid, end to end referenz, e2e
bank_id: transaction id, bank id, bank reference, entry id, id, fitid, transaktions id, 交易流水号, 流水号
text: description, details, memo, narrative, text, purpose, remittance, verwendungszweck,
    buchungstext, libelle, concepto, descripcion, descrizione, causale, omschrijving, 摘要, 附言, 用途, 备注
account: account, account number, konto, kontonummer, auftragskonto, own account, 账号, 本方账号
"""
"""Role to headings as `plain` writes them: English, German, French, Spanish, Italian, Dutch, Chinese."""
_ROLE_OF = {role.replace("_", " "): role for role in ROLES} | {
    heading.strip(): role
    for role, headings in re.findall(r"^(\w+): ((?:.*\n)(?: +.*\n)*)", _HEADINGS.lstrip(), re.MULTILINE)
    for heading in headings.replace("\n", " ").split(",")
}


def plain(heading: str) -> str:
    """Return a heading without case, accents, brackets and signs."""
    bare = re.sub(r"[(\[（【].*?[)\]）】]", " ", heading)
    letters = unicodedata.normalize("NFKD", bare.casefold())
    kept = "".join(" " if not sign.isalnum() else sign for sign in letters if not unicodedata.combining(sign))
    return " ".join(kept.split())


def roles_of(headings: Sequence[str], declared: Mapping[str, str]) -> dict[str, int]:
    """Return the column of each role that the table has.

    Args:
        headings: the table's headings, left to right.
        declared: role to heading; goes before what headings tell.

    Raises:
        ValueError: a declared heading is not there, or the headings tell of no date or no amount.
    """
    plains = [plain(heading) for heading in headings]
    found: dict[str, int] = {}
    for role, heading in declared.items():
        if plain(heading) not in plains:
            raise ValueError(f"there is no column {heading!r} (for {role}); the columns are {', '.join(headings)}")
        found[role] = plains.index(plain(heading))
    for at, name in enumerate(plains):
        known = _ROLE_OF.get(name)
        if known and known not in found and at not in found.values():
            found[known] = at
    missing = _missing(found)
    if missing:
        raise ValueError(f"no column is known to hold {missing}; the columns are {', '.join(headings)}: declare it")
    return found


def is_heading(cells: Sequence[str]) -> bool:
    """Say whether a row looks like headings: a date and an amount are among them."""
    found = {_ROLE_OF[name] for name in map(plain, cells) if name in _ROLE_OF}
    return not _missing(found)


def _missing(found: Mapping[str, int] | set[str]) -> str:
    if "booked" not in found and "valued" not in found:
        return "the booking date"
    if "amount" not in found and not {"debit", "credit"} <= set(found):
        return "the amount"
    return ""
