"""Header sets as people have them, with the columns that are meant.

Each set: inputs as ``name:kind``, headers, and the truth as input to header; an input that is not in the truth must
stay open, because no column is surely meant.
"""

from __future__ import annotations

from typing import Any

SETS: list[tuple[str, list[str], list[str], dict[str, str]]] = [
    # what an accounts department exports
    (
        "invoices, abbreviated",
        ["Invoice number:str", "Invoice date:date", "Amount:float"],
        ["Inv. No.", "Inv. Date", "Amt"],
        {"Invoice number": "Inv. No.", "Invoice date": "Inv. Date", "Amount": "Amt"},
    ),
    (
        "invoices, snake",
        ["Invoice Number:str", "Invoice Date:date", "Total Amount:float"],
        ["invoice_no", "invoice_date", "total_amt", "created_by"],
        {"Invoice Number": "invoice_no", "Invoice Date": "invoice_date", "Total Amount": "total_amt"},
    ),
    (
        "invoices, camel",
        ["Invoice number:str", "Due date:date"],
        ["invoiceNumber", "dueDate", "netAmount"],
        {"Invoice number": "invoiceNumber", "Due date": "dueDate"},
    ),
    (
        "invoices, german",
        ["Invoice number:str", "Invoice date:date", "Amount:float"],
        ["Rechnungsnummer", "Rechnungsdatum", "Betrag (EUR)", "Bemerkung"],
        {"Invoice number": "Rechnungsnummer", "Invoice date": "Rechnungsdatum", "Amount": "Betrag (EUR)"},
    ),
    (
        "invoices, french",
        ["Invoice number:str", "Amount:float"],
        ["Numéro de facture", "Montant"],
        {"Invoice number": "Numéro de facture", "Amount": "Montant"},
    ),
    (
        "invoices, spanish",
        ["Invoice date:date", "Supplier:str"],
        ["Fecha de factura", "Proveedor"],
        {"Invoice date": "Fecha de factura", "Supplier": "Proveedor"},
    ),
    ("net and gross", ["Amount:float"], ["Net amount", "Gross amount"], {}),
    ("two currencies", ["Amount:float"], ["Amount (EUR)", "Amount (USD)"], {}),
    ("one currency", ["Amount:float"], ["Amount (EUR)", "Ref"], {"Amount": "Amount (EUR)"}),
    (
        "vendor and supplier",
        ["Supplier:str", "Supplier number:str"],
        ["Vendor", "Vendor #"],
        {"Supplier": "Vendor", "Supplier number": "Vendor #"},
    ),
    # one letter, one word apart
    ("contact or contract", ["Contract:str"], ["Contact"], {}),
    ("country or county", ["Country:str"], ["County"], {}),
    ("start and end", ["Start date:date", "End date:date"], ["Date"], {}),
    ("start and end, the other", ["Start date:date"], ["End date"], {}),
    ("sender and vendor", ["Sender:str"], ["Vendor"], {}),
    ("buyer or payer", ["Payer:str"], ["Buyer"], {}),
    (
        "address lines",
        ["Address 1:str", "Address 2:str"],
        ["Address 2", "Addr 1"],
        {"Address 1": "Addr 1", "Address 2": "Address 2"},
    ),
    ("address line missing", ["Address 2:str"], ["Address 1"], {}),
    ("phone or mobile", ["Phone:str"], ["Mobile"], {}),
    ("credit or debit", ["Credit:float"], ["Debit"], {}),
    ("price or prize", ["Price:float"], ["Prize"], {}),
    ("customer id or name", ["Customer name:str"], ["Customer ID"], {}),
    ("billing or shipping", ["Billing address:str"], ["Shipping address"], {}),
    ("created or updated", ["Created date:date"], ["Updated date"], {}),
    # people
    (
        "people, english",
        ["First name:str", "Last name:str", "Date of birth:date", "Email:str"],
        ["FirstName", "Surname", "DOB", "E-Mail"],
        {"First name": "FirstName", "Last name": "Surname", "Date of birth": "DOB", "Email": "E-Mail"},
    ),
    (
        "people, german",
        ["First name:str", "Last name:str", "Date of birth:date", "City:str"],
        ["Vorname", "Nachname", "Geburtsdatum", "Ort"],
        {"First name": "Vorname", "Last name": "Nachname", "Date of birth": "Geburtsdatum", "City": "Ort"},
    ),
    ("full name only", ["First name:str", "Last name:str"], ["Name"], {}),
    (
        "applicants",
        ["Applicant name:str", "Phone number:str", "Postcode:str"],
        ["Name of applicant", "Tel. no.", "ZIP"],
        {"Applicant name": "Name of applicant", "Phone number": "Tel. no.", "Postcode": "ZIP"},
    ),
    ("applicant and guardian", ["Name:str"], ["Applicant name", "Guardian name"], {}),
    ("misspelt", ["Address:str", "Received date:date"], ["Adress", "Recieved date"], {"Address": "Adress"}),
    (
        "required marks",
        ["Company name:str", "Country:str"],
        ["Company name *", "Country (required)"],
        {"Company name": "Company name *", "Country": "Country (required)"},
    ),
    ("date formats in headers", ["Due date:date"], ["Due date (DD/MM/YYYY)"], {"Due date": "Due date (DD/MM/YYYY)"}),
    # files
    (
        "one file, plain path",
        ["Application form:file", "Name:str"],
        ["name", "pdf_path"],
        {"Name": "name", "Application form": "pdf_path"},
    ),
    ("one file, other document", ["Contract:file"], ["signature_scan_of_witness"], {}),
    ("two file inputs, one path", ["Contract:file", "Passport:file"], ["file"], {}),
    (
        "plural of files",
        ["Supporting documents:files"],
        ["Supporting document"],
        {"Supporting documents": "Supporting document"},
    ),
    (
        "numbered files",
        ["Supporting documents:files", "Name:str"],
        ["Supporting document 1", "Supporting document 2", "Name"],
        {"Supporting documents": "Supporting document 1 + Supporting document 2", "Name": "Name"},
    ),
    ("one numbered file", ["Documents:files"], ["Document 2"], {}),
    ("quarters", ["Quarters:array"], ["Quarter 2", "Quarter 3"], {}),
    ("attachment words", ["Attachments:files"], ["Anlagen"], {"Attachments": "Anlagen"}),
    ("file column that holds words", ["Invoice document:file"], ["invoice doc"], {}),
    # the values speak against the name
    ("date that holds words", ["Delivery date:date"], ["Date of delivery"], {}),
    ("amount that holds words", ["Amount:float"], ["Amt."], {}),
    # operations
    (
        "orders",
        ["Order quantity:int", "Unit price:float", "Description:str"],
        ["Order Qty", "Unit Price", "Desc"],
        {"Order quantity": "Order Qty", "Unit price": "Unit Price", "Description": "Desc"},
    ),
    ("discount percent", ["Discount percent:float"], ["Discount %", "Discount"], {"Discount percent": "Discount %"}),
    (
        "tickets",
        ["Ticket ID:str", "Priority:str", "Comment:str"],
        ["Ticket Id", "Prio", "Comments"],
        {"Ticket ID": "Ticket Id", "Comment": "Comments"},
    ),
    ("accounts", ["Account number:str", "Bank name:str"], ["Acct No", "Bank"], {"Account number": "Acct No"}),
    ("word order", ["Delivery country:str"], ["Country of delivery"], {"Delivery country": "Country of delivery"}),
    ("nothing fits", ["Claim reason:str", "Policy number:str"], ["A", "B", "foo", "2024"], {}),
    (
        "policies",
        ["Policy number:str", "Claim date:date"],
        ["Policy Nr.", "Date of claim", "Date of accident"],
        {"Policy number": "Policy Nr.", "Claim date": "Date of claim"},
    ),
    ("same header twice in other words", ["Customer number:str"], ["Cust. No.", "Kundennummer"], {}),
    ("reference or referral", ["Reference:str"], ["Referral", "Ref."], {"Reference": "Ref."}),
    ("html or url", ["Website:str"], ["Web page", "URL"], {}),
    ("status words", ["Status:str", "State:str"], ["State", "Stat."], {"State": "State"}),
]

# Cells by header where the values matter; every other column holds what its truth needs.
CELLS: dict[str, list[Any]] = {
    "Date of delivery": ["next week", "soon"],
    "Amt.": ["a lot", "little"],
    "invoice doc": ["paper", "lost"],
    "signature_scan_of_witness": ["w1.pdf", "w2.pdf"],
    "file": ["a.pdf", "b.pdf"],
    "pdf_path": ["a.pdf", "b.pdf"],
}
BY_KIND: dict[str, list[Any]] = {
    "str": ["x", "y"],
    "float": [1.5, 2.0],
    "int": [1, 2],
    "date": ["2025-01-31", "2025-02-01"],
    "file": ["a.pdf", "b.pdf"],
    "files": ["a.pdf;b.pdf", "c.pdf"],
    "array": ["a;b", "c"],
}
