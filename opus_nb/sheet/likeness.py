"""How much two names are alike, as people name columns: abbreviations, plurals, units, a few languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz, process

from opus_nb.sheet.headers import fold_name

__all__ = ["SAME_WORDS", "closest_names", "likeness", "name_words"]

SAME_WORDS: Final = 0.9  # the score of names that say the same in other words
_OTHER_MEASURE: Final = 0.6  # and of names of which one says euros and the other dollars: worth a suggestion at most

# One concept a line: the word we compare, then other spellings of it. Only spellings that mean nothing else in a
# header; "total" is no amount, "id" is no number, "mobile" is no phone: near is not the same.
_CONCEPTS = """
number: no nr num nbr nummer numero numéro número nro
amount: amt betrag montant importe importo bedrag
quantity: qty menge quantité quantite cantidad
reference: ref referenz référence referencia
description: desc descr descrip beschreibung bezeichnung descripción descripcion
address: addr adresse dirección direccion indirizzo
email: mail emailaddress mailadresse
phone: tel telephone telefon téléphone telefono teléfono phonenumber telefonnummer
document: doc dokument documento
attachment: anhang anlage adjunto allegato
invoice: inv rechnung facture factura fattura
customer: cust kunde client cliente klant
supplier: vendor lieferant fournisseur proveedor fornitore
company: firma unternehmen société societe empresa azienda organization organisation org
name: nom nombre naam
first: vorname given prénom prenom fname forename
last: nachname surname familyname lname
date: datum fecha dt
birth: geburt naissance nacimiento
country: land pays país pais paese
city: ort stadt ville ciudad città town
street: straße strasse rue calle
currency: ccy curr währung waehrung devise moneda
price: preis prix precio prezzo
percent: pct percentage prozent
department: dept abteilung
account: acct konto compte cuenta
identifier: id
comment: bemerkung kommentar commentaire comentario remark
status: zustand
category: kategorie catégorie categoria categoría
postcode: zip zipcode plz postleitzahl
contract: vertrag contrat contrato
language: sprache langue idioma
year: jahr año annee année
month: monat mois mes
start: beginn
end: ende
"""


def _single(word: str) -> str:
    """Return the word without plural s and doubled letters: address and adress, documents and document are one."""
    stem = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    return re.sub(r"([^\W\d])\1+", r"\1", stem)


_CANON: Final[dict[str, str]] = {}
for _line in _CONCEPTS.strip().splitlines():
    _concept, _, _others = _line.partition(":")
    for _other in [_concept, *_others.split()]:
        _CANON[_single(fold_name(_other))] = _concept

# Whole names that are several concepts.
_COMPOUNDS: Final = {
    "dob": ("date", "birth"),
    "birthdate": ("date", "birth"),
    "birthday": ("date", "birth"),
    "geburtsdatum": ("date", "birth"),
    "duedate": ("due", "date"),
    "falligkeitsdatum": ("due", "date"),
    "rechnungsnummer": ("invoice", "number"),
    "rechnungsnr": ("invoice", "number"),
    "rechnungsdatum": ("invoice", "date"),
    "rechnungsbetrag": ("invoice", "amount"),
    "kundennummer": ("customer", "number"),
    "kundennr": ("customer", "number"),
    "kundenname": ("customer", "name"),
    "kundenid": ("customer", "identifier"),
    "lieferdatum": ("delivery", "date"),
    "firmenname": ("company", "name"),
    "vertragsnummer": ("contract", "number"),
    "firstname": ("first", "name"),
    "vorname": ("first", "name"),
    "prenom": ("first", "name"),
    "forename": ("first", "name"),
    "lastname": ("last", "name"),
    "nachname": ("last", "name"),
    "surname": ("last", "name"),
    "filename": ("file", "name"),
    "iban": ("iban",),
}
_EMPTY_WORDS: Final = frozenset(
    {"the", "of", "a", "an", "for", "der", "die", "das", "des", "de", "du", "la", "le", "el", "del"}
)
_UNITS: Final = frozenset(
    {
        "eur",
        "euro",
        "usd",
        "gbp",
        "chf",
        "jpy",
        "inr",
        "aed",
        "dollar",
        "kg",
        "km",
        "cm",
        "mm",
        "ddmmyyyy",
        "yyyymmdd",
        "mmddyyyy",
        "pflichtfeld",
    }
)
# Of these, two that differ are never two names of one thing.
_MEASURES: Final = {
    name: name for name in ("eur", "usd", "gbp", "chf", "jpy", "inr", "aed", "kg", "km", "cm", "mm")
} | {
    "euro": "eur",
    "euros": "eur",
    "dollar": "usd",
}
_SIGNS: Final = {"#": "number", "%": "percent", "+": "plus", "€": "eur", "$": "usd", "£": "gbp", "¥": "jpy"}
_MARKS: Final = frozenset({"required", "optional", "mandatory"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """Return the concepts that a name is made of, sorted, without units, articles and marks such as "(required)"."""
    plain = re.sub(r"\be-?mail\b", "email", name, flags=re.IGNORECASE)
    plain = re.sub(r"\b(dd|yyyy|mm)\W(mm|dd)\W(yyyy|dd)\b", "", plain, flags=re.IGNORECASE)
    plain = _spelled(plain)
    whole = fold_name(plain)
    if whole in _COMPOUNDS:
        return tuple(sorted(_COMPOUNDS[whole]))
    words: list[str] = []
    for each in _WORD.findall(_CAMEL.sub(" ", plain)):
        folded = fold_name(each)
        words += _COMPOUNDS.get(folded) or (_canonical(folded),)
    kept = [word for word in words if word and word not in _EMPTY_WORDS | _MARKS]
    without_units = [word for word in kept if word not in _UNITS]
    return tuple(sorted(without_units or kept))


def _spelled(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name)
    for sign, word in _SIGNS.items():
        plain = plain.replace(sign, f" {word} ")
    return plain


@lru_cache(maxsize=4096)
def _measures(name: str) -> frozenset[str]:
    """Return the currencies and units that a name says."""
    words = (fold_name(each) for each in _WORD.findall(_CAMEL.sub(" ", _spelled(name))))
    return frozenset(_MEASURES[word] for word in words if word in _MEASURES)


def _canonical(word: str) -> str:
    single = _single(word)
    return _CANON.get(single, single)


def likeness(name: str, header: str) -> float:
    """Return how alike two names are, 0 to 1; `SAME_WORDS` when they say the same in other words.

    Below that it is only a likeness: ``Contact`` and ``Contract`` differ by one letter, ``Start date`` and
    ``End date`` by one word.
    """
    ours, theirs = name_words(name), name_words(header)
    if not ours or not theirs:
        return 0.0
    measures = _measures(name), _measures(header)
    if all(measures) and measures[0] != measures[1]:
        return _OTHER_MEASURE
    if ours == theirs:
        return SAME_WORDS
    if set(ours) == set(theirs):
        return SAME_WORDS - 0.05
    shared = len(set(ours) & set(theirs)) / max(len(set(ours)), len(set(theirs)))
    spelled = fuzz.token_sort_ratio(" ".join(ours), " ".join(theirs)) / 100
    return min(SAME_WORDS - 0.05, max(0.4 + 0.4 * shared if shared else 0.0, spelled * 0.9))


def closest_names(name: str, choices: Sequence[str], limit: int = 3) -> list[str]:
    """Return the choices that look most like the name, best first."""
    every = list(dict.fromkeys(choice for choice in choices if choice))
    hits = process.extract(name, every, scorer=fuzz.WRatio, processor=fold_name, limit=limit, score_cutoff=70)
    return [hit[0] for hit in hits]
