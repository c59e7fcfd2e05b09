"""Which known symbols somebody may have meant: alike in spelling, or by a word of their name."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

LEAST = 0.6  # of 1, below which two words are not alike
NAMED = 0.9  # how alike a word of the name counts that is spelled the same
SHORTEST = 3  # letters of a word that is looked for in names
_WORDS = re.compile(r"[A-Z0-9]{3,}")


class Known:
    """Symbols with their names, prepared for several questions."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._symbols = {symbol: symbol.upper() for symbol in names}
        self._named: dict[str, dict[str, set[str]]] = {}  # first letter, word, symbols
        for symbol, name in names.items():
            for word in _WORDS.findall(name.upper()):
                self._named.setdefault(word[0], {}).setdefault(word, set()).add(symbol)

    def nearest(self, word: str, *, most: int = 3) -> list[str]:
        """The symbols most like a word in any case, the likest first.

        Parameters
        ----------
        word : str
            What was typed.
        most : int
            No more than these.

        Returns
        -------
        list of str
            Symbols with a likeness of at least 0.6, by likeness; of equals those that begin alike.
        """
        wanted = word.strip().upper()
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(wanted)  # the matcher keeps what it learns of the second word
        found = {each: _ratio(matcher, wanted, text) for each, text in self._symbols.items()}
        if len(wanted) >= SHORTEST:
            for named, symbols in self._named.get(wanted[0], {}).items():
                score = NAMED * _ratio(matcher, wanted, named)
                for each in symbols:
                    found[each] = max(found[each], score)
        ranked = sorted(
            (-score, each[:1].upper() != wanted[:1], each)
            for each, score in found.items()
            if score >= LEAST
        )
        return [each for _, _, each in ranked[:most]]


def _ratio(matcher: SequenceMatcher[str], wanted: str, text: str) -> float:
    """The likeness of two words from 0 to 1; 0 where a glance says it is below the least."""
    both = len(wanted) + len(text)
    shared = sum(map(wanted.__contains__, text))  # at most so many letters can match
    if not both or 2 * min(shared, len(wanted)) < LEAST * both:
        return 0.0
    matcher.set_seq1(text)
    return matcher.ratio()
