"""One small statement in every format: the same three bookings, 100.00 -> 1,271.44."""

from __future__ import annotations

from io import BytesIO

from openpyxl import Workbook

CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>1</MsgId></GrpHdr><Stmt>
<Id>S-1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">1271.44</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="EUR">1234.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt><AcctSvcrRef>B1</AcctSvcrRef>
<NtryDtls>
<TxDtls><Refs><EndToEndId>E-1</EndToEndId></Refs><Amt Ccy="EUR">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<RltdPties><Dbtr><Pty><Nm>东方贸易有限公司</Nm></Pty></Dbtr></RltdPties><RmtInf><Ustrd>INV-1</Ustrd></RmtInf></TxDtls>
<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><Amt Ccy="EUR">234.50</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>
</NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">63.06</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-04</Dt></BookgDt></Ntry>
</Stmt></BkToCstmrStmt></Document>"""

MT940 = """{1:F01X}{4:
:20:STARTUMS
:25:DE02120300000000202051
:28C:1/1
:60F:C260301EUR100,
:61:2603030302C1000,NTRFINV-1//B1
:86:166?00GUTSCHRIFT?20EREF+E-1?21SVWZ+INV-1 März?32Müller?33 GmbH
:61:2603030302C234,5NTRFNONREF
:61:2603040304D63,06NMSCNONREF
:62F:C260304EUR1271,44
-}
:20:EMPTY
:25:DE02
:60F:C260304EUR5,
:62F:C260304EUR5,
-
"""

OFX = """OFXHEADER:100
ENCODING:UTF-8

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR
<BANKACCTFROM><BANKID>120300<ACCTID>202051<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260302120000[+1:CET]<TRNAMT>1000,00<FITID>B1<NAME>M&amp;M<MEMO>INV-1</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260302<TRNAMT>+234.50<FITID>B2</STMTTRN>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260304<TRNAMT>-63.06<FITID>B3</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>1271.44<DTASOF>20260304</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""

BAI2 = """01,BANK,ME,260304,0700,1,80,,2/
02,ME,BANK,1,260304,,EUR,2/
03,202051,EUR,010,10000,,,015,127144,,,/
88,100,123450,2,,400,6306,1,/
16,165,100000,,B1,INV-1,PAID BY A/B LTD
88,SECOND LINE, WITH COMMA/
16,165,23450,S,0,0,23450,B2,,/
16,475,6306,,B3,,CHEQUE/
49,396656,7/
98,396656,1,9/
99,396656,1,11/
"""

CSV = """Kontoauszug;;;;
Buchungstag;Valuta;Betrag;Währung;Verwendungszweck;Saldo
02.03.2026;03.03.2026;1.000,00;EUR;INV-1;1.100,00
02.03.2026;03.03.2026;234,50;EUR;"a;b";1.334,50
13.03.2026;13.03.2026;-63,06;EUR;Gebühr;1.271,44
Summe;;1.171,44;;;
"""


BOT = """[
{"booked": "2026-03-02", "valued": "2026-03-03", "amount": "1000", "currency": "EUR", "Description": "INV-1",
 "balance": "1100"},
{"booked": "2026-03-02", "valued": null, "amount": "234.50", "currency": "EUR", "balance": "1334.50"},
{"booked": "2026-03-04", "amount": -63.06, "currency": "EUR", "balance": 1271.44}
]"""


def workbook() -> bytes:
    """Return the statement as an XLSX file, with real dates and numbers."""
    from datetime import datetime  # noqa: PLC0415 - its only use

    book = Workbook()
    book.active.append(["nothing here"])
    sheet = book.create_sheet("流水")
    sheet.append(["交易日期", "收入金额", "支出金额", "币种", "摘要"])
    sheet.append([datetime(2026, 3, 2), 1000, None, "EUR", "INV-1"])  # noqa: DTZ001 - a sheet knows no zones
    sheet.append([datetime(2026, 3, 2), 234.5, None, "EUR", "东方"])  # noqa: DTZ001
    sheet.append([datetime(2026, 3, 4), None, 63.06, "EUR", "费用"])  # noqa: DTZ001
    sheet.append(["合计", 1234.5, 63.06])
    held = BytesIO()
    book.save(held)
    return held.getvalue()


SAMPLES: dict[str, tuple[str, bytes]] = {
    "camt": ("statement.xml", CAMT.encode()),
    "mt940": ("statement.sta", MT940.encode("cp1252")),
    "ofx": ("statement.ofx", OFX.encode()),
    "bai2": ("statement.bai", BAI2.encode()),
    "csv": ("statement.csv", CSV.encode("utf-8-sig")),
    "workbook": ("statement.xlsx", workbook()),
    "bot": ("rows.json", BOT.encode()),
}
