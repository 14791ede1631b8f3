"""Names in many languages, as Babel has them."""

import unicodedata
from collections import Counter

import pytest
from babel import Locale

from course_files import names
from course_files.opening import DataError


@pytest.fixture(scope="module")
def languages():
    return names.read()


def test_every_language_has_enough_names_and_no_name_has_two_languages(languages):
    assert len(languages) > 150 and min(map(len, languages.values())) >= 120
    times = Counter(name for own in languages.values() for name in own)
    assert times.most_common(1)[0][1] == 1


def test_names_are_in_one_spelling(languages):
    for name in (name for own in languages.values() for name in own):
        assert name == unicodedata.normalize("NFC", name.lower()) and len(name) >= 3
        assert not any(c.isdigit() for c in name)


def test_known_names_are_in_their_languages(languages):
    assert "französisch-polynesien" in languages["German"] and "日本語" in languages["Japanese"]
    assert Locale("fi").languages["sv"] == "ruotsi" and "ruotsi" in languages["Finnish"]
    assert Locale("de").territories["AO"] == Locale("en").territories["AO"] == "Angola"
    assert not any("angola" in own for own in languages.values())


def test_languages_that_copy_others_are_left_out(languages):
    assert not {"Norwegian", "Norwegian Bokmål", "English", "Filipino"} & set(languages)


def test_the_order_is_by_md5_and_not_by_the_process():
    assert names.in_fixed_order({"a", "b", "c", "d"}) == ["a", "c", "d", "b"]    # 0cc1, 4a8a, 8277, 92eb ...


def test_a_name_of_two_languages_counts_for_neither(monkeypatch):
    called = {"af": ["Angola", "Eén", "Een twee 2"], "sq": ["angola", "Shqip"]}
    monkeypatch.setattr(names.localedata, "locale_identifiers", lambda: ["sq", "af", "pt_PT"])
    monkeypatch.setattr(names, "_names", lambda locale: called[locale.language])
    assert names.read(1) == {"Afrikaans": ["eén"], "Albanian": ["shqip"]}


def test_too_high_a_wish_is_one_clear_line():
    message = r"Babel [\d.]+\) has no language with 5000 names .* most is \d+\. Ask for fewer"
    with pytest.raises(DataError, match=message):
        names.read(5000)


@pytest.mark.parametrize("words, script", [(["Zürich", "año"], "Latin"), (["москва", "x"], "Cyrillic"),
                                           (["日本"], "Cjk"), (["조선", "a 12345 ..."], "Hangul")])
def test_the_script_is_that_of_most_letters(words, script):
    assert names.script(words) == script
