"""Names of territories, languages, months and weekdays, each in many languages: CLDR's, as Babel ships them.

CLDR is Unicode's collection of what people call things. For the same version of Babel, every machine reads the same.
"""

import hashlib
import unicodedata
from collections import Counter
from pathlib import Path

import babel
from babel import Locale, localedata

from .opening import DataError

SOURCE = Path(babel.__file__)       # it states Babel's version, so a cache may look whether it has changed


def read(least=120):
    """The languages that have `least` own names or more: a dict of language -> list of its names, in md5's order.

    Names are in lower case and NFC, of three characters or more, without digits. A name that a second language has, too
    ("angola"), answers no question about its language and is left out of both. So languages that copy another, or
    have English words where a translation is missing, lose these words, and all but their own names. Codes with a
    region or a script ("pt_PT") are left out. Raises DataError where no language has `least` own names.
    """
    codes = [code for code in localedata.locale_identifiers() if "_" not in code]
    found = {code: _usable(_names(Locale.parse(code))) for code in sorted(codes)}
    times, called = Counter(name for names in found.values() for name in names), Locale("en").languages
    own = {called.get(code, code): in_fixed_order(name for name in names if times[name] == 1)
           for code, names in found.items()}
    kept = {language: names for language, names in own.items() if len(names) >= least}
    if not kept:
        raise DataError(f"{SOURCE.parent} (Babel {babel.__version__}) has no language with {least} names of its own; "
                        f"the most is {max(map(len, own.values()))}. Ask for fewer, or reinstall babel.")
    return kept


def _names(locale):
    months, days = locale.months["format"]["wide"], locale.days["format"]["wide"]
    return [name for each in (locale.territories, locale.languages, months, days) for name in dict(each).values()]


def _usable(names):
    """The distinct names in one spelling, less those that are short or have a digit."""
    spelled = {unicodedata.normalize("NFC", name.lower()) for name in names if isinstance(name, str)}
    return {name for name in spelled if len(name) >= 3 and not any(c.isdigit() for c in name)}


def in_fixed_order(words):
    """Words shuffled by their md5, the same on every machine."""
    return sorted(words, key=lambda word: hashlib.md5(word.encode()).digest())


def script(names):
    """The script of most letters of the names: "Latin", "Cyrillic", ..., the first word of what Unicode calls them."""
    letters = (unicodedata.name(c, "?") for name in names for c in name if c.isalpha())
    return Counter(letter.split()[0].title() for letter in letters).most_common(1)[0][0]
