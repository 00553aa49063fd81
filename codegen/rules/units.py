"""Which units of measurement and currencies does a text speak of?

Words count wherever they stand. Short signs such as `s` or `MB` mean a unit only where a text sets
them apart: in brackets, or behind "in", "unit", a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_NAMES: Mapping[str, str] = {
    # What others begin with goes first.
    "kilometres per hour": "~km/h ~kmh ~kph",
    "miles per hour": "~mph",
    "metres per second": "~m/s",
    "millimetres of mercury": "mmhg",
    "nanoseconds": "nanoseconds? nanos ~ns",
    "microseconds": "microseconds? micros ~us ~µs ~μs",
    "milliseconds": "milliseconds? millis ~ms ~msec ~msecs",
    "seconds": "seconds? ~s ~sec ~secs",
    "minutes": "minutes? ~min ~mins",
    "hours": "hours? ~h ~hr ~hrs",
    "days": "days?",
    "weeks": "weeks?",
    "months": "months?",
    "years": "years?",
    "cents": "cents? eurocents?",
    "pence": "pence penny",
    "percent": "percent percentage ~%",
    "per mille": "per.mille ~‰",
    "basis points": "basis.points? ~bp ~bps",
    "a fraction": "fractions?",
    "grams": "grams? ~g",
    "kilograms": "kilograms? kilos? ~kg",
    "milligrams": "milligrams? ~mg",
    "micrograms": "micrograms? ~ug ~µg ~μg ~mcg",
    "nanograms": "nanograms? ~ng",
    "tonnes": "tonnes? ~t",
    "pounds": "pounds? ~lb ~lbs",
    "ounces": "ounces? ~oz",
    "metres": "met(?:er|re)s? ~m",
    "kilometres": "kilomet(?:er|re)s? ~km",
    "centimetres": "centimet(?:er|re)s? ~cm",
    "millimetres": "millimet(?:er|re)s? ~mm",
    "miles": "miles? ~mi",
    "feet": "feet foot ~ft",
    "inches": "inch inches",
    "litres": "lit(?:er|re)s? ~l",
    "decilitres": "decilit(?:er|re)s? ~dl",
    "centilitres": "centilit(?:er|re)s? ~cl",
    "millilitres": "millilit(?:er|re)s? ~ml",
    "microlitres": "microlit(?:er|re)s? ~ul ~µl ~μl",
    "moles": "moles ~mol",
    "millimoles": "millimoles? ~mmol",
    "micromoles": "micromoles? ~umol ~µmol ~μmol",
    "gallons": "gallons? ~gal",
    "degrees": "degrees?",
    "radians": "radians? ~rad",
    "Celsius": "celsius ~°c",
    "Fahrenheit": "fahrenheit ~°f",
    "kelvin": "kelvins? ~k",
    "bits": "bits?",
    "bytes": "bytes? ~b",
    "kilobytes": "kilobytes? ~kb",
    "kibibytes": "kibibytes? ~kib",
    "megabytes": "megabytes? ~mb",
    "mebibytes": "mebibytes? ~mib",
    "gigabytes": "gigabytes? ~gb",
    "gibibytes": "gibibytes? ~gib",
    "knots": "knots?",
    "pascals": "pascals? ~pa",
    "hectopascals": "hectopascals? ~hpa",
    "kilopascals": "kilopascals? ~kpa",
    "bar": "~bar",
    "calories": "calories? ~cal",
    "kilocalories": "kilocalories? ~kcal",
    "joules": "joules? ~j",
    "kilojoules": "kilojoules? ~kj",
    "watts": "watts?",
    "kilowatts": "kilowatts? ~kw",
    "kilowatt hours": "~kwh",
    "EUR": "euros?",
    "USD": "dollars?",
    "JPY": "yen",
}
"""Each unit, and the patterns that mean it; a tilde marks those that must be set apart."""

_CURRENCIES = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR ISK JPY KRW MXN "
    "MYR NGN NOK NZD PHP PKR PLN RON RSD RUB SAR SEK SGD THB TWD UAH USD VND ZAR"
)
"""Common codes of ISO 4217, in capitals; those that are also English words are left out."""


_SYMBOLS: Mapping[str, str] = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}


def _compile() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    words: list[str] = []
    signs: list[str] = []
    units: dict[str, str] = {}
    for unit, patterns in _NAMES.items():
        for pattern in patterns.split():
            group = f"u{len(units)}"
            units[group] = unit
            listed = signs if pattern.startswith("~") else words
            listed.append(f"(?P<{group}>{pattern.removeprefix('~')})")
    before, after = r"(?<!\w)(?:", r")(?!\w)"
    set_apart = r"(?:[(\[]|\bin\s|\bunits?:?\s|\d\s?)(?:"
    return (
        re.compile(before + "|".join(words) + after, re.IGNORECASE),
        re.compile(set_apart + "|".join(signs) + after, re.IGNORECASE),
        units,
    )


_WORDS, _SIGNS, _UNITS = _compile()
_CODES = re.compile(rf"\b(?:{_CURRENCIES.replace(' ', '|')})\b")


@lru_cache(maxsize=4096)
def name_unit(name: str) -> str:
    """The unit or currency that a name ends with, as `dose_mg` and `weightKg`; empty without."""
    words = _PARTS.findall(name)
    if len(words) < 2:
        return ""
    last = words[-1]
    code = last.upper() if len(last) == 3 else ""
    return next(iter(sorted(find_units(f"in {last.lower()} {code}"))), "")


def is_other_unit(name: str, other: str) -> bool:
    """Whether two names end with units that are not the same."""
    units = name_unit(name), name_unit(other)
    return all(units) and units[0] != units[1]


_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def find_units(text: str | None) -> set[str]:
    """The units and currencies that a text names, each by one name however it is written."""
    if not text:
        return set()
    found = set(_CODES.findall(text)) | {_SYMBOLS[sign] for sign in _SYMBOLS if sign in text}
    for pattern in (_WORDS, _SIGNS):
        found |= {_UNITS[match.lastgroup or ""] for match in pattern.finditer(text)}
    return found
